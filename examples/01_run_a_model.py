"""Compile a model, run it on the exact simulator, compare with ONNX Runtime, and see what it costs."""

import numpy as np
import onnxruntime
from rich.console import Console
from tiny_model import make_input, make_model

import seedchip
from seedchip.report import render_terminal

model, x = make_model(), make_input()

session = seedchip.InferenceSession(model, chip="micro")
ours = session.run(["y"], {"x": x})[0]

reference = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": x})[0]
print("on the chip ", np.round(ours[0], 3))
print("ONNX Runtime", np.round(reference[0], 3))
print(f"largest difference {np.abs(ours - reference).max():.4f}\n")

Console(width=120).print(render_terminal(session.report()))
