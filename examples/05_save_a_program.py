"""Compile once, save the program, load it elsewhere; a damaged file is refused."""

import tempfile
from pathlib import Path

import numpy as np
from tiny_model import make_input, make_model

import seedchip
from seedchip.program import ProgramError, load, save
from seedchip.spec import load as load_chip

path = Path(tempfile.mkdtemp()) / "tiny.seed"
program = seedchip.compile(make_model(), chip="nano")
save(program, path)
print(f"{path.name}: {path.stat().st_size} bytes, {len(program.instructions)} instructions")

again = load(path, load_chip("nano"))
first, second = (seedchip.InferenceSession(p, "nano").run(None, {"x": make_input()})[0] for p in (program, again))
print("the loaded program gives the same bits:", np.array_equal(first, second))

data = bytearray(path.read_bytes())
data[-1] ^= 1
path.write_bytes(data)
try:
    load(path)
except ProgramError as error:
    print("one flipped bit:", str(error).removeprefix(f"{path}: "))
