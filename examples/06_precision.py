"""INT8, and the same array with operands of two and three INT8 limbs: accuracy against cycles."""

import numpy as np
import onnxruntime
from tiny_model import make_input, make_model

import seedchip

model, x = make_model(), make_input(16)
reference = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": x})[0]
for precision in ("int8", "int16", "int24"):
    options = seedchip.BuildOptions(precision=precision, shapes={"batch": 16})
    session = seedchip.InferenceSession(model, options=options)
    error = np.abs(session.run(["y"], {"x": x})[0] - reference).max()
    print(f"{precision:6} largest error {error:.2e}   {session.timeline.cycles:6,} cycles")
