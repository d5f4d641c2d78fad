"""Damaged program files: whatever the bytes, the answer is a program or one `ProgramError`, at once."""

import json
import tempfile
from pathlib import Path

import numpy as np
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from small_programs import copy_program
from test_program_file import rewritten

from seedchip.program import ProgramError, load
from seedchip.program.file import to_bytes

DATA = to_bytes(copy_program())
LIMITS = settings(max_examples=150, deadline=1000, derandomize=True)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
                    max_leaves=12)


def outcome(data: bytes) -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            load(Path(file.name))
        except ProgramError as error:
            assert "\n" not in str(error)
            return "refused"
    return "loaded"


@LIMITS
@given(st.lists(st.integers(0, 8 * len(DATA) - 1), min_size=1, max_size=8, unique=True))
def test_flipped_bits_are_refused(bits):
    damaged = bytearray(DATA)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    assert outcome(bytes(damaged)) == "refused"


@LIMITS
@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data):
    assert outcome(data) == "refused"
    assert outcome(len(data).to_bytes(8, "little") + data) == "refused"


@LIMITS
@given(JSON)
def test_random_metadata_is_refused(value):
    text = json.dumps(value)
    tensors = {"code": np.zeros(64, np.uint8)}
    assert outcome(safetensors.numpy.save(tensors, {"seedchip": text})) == "refused"


PATHS = [("name",), ("chip_hash",), ("isa_version",), ("code_address",), ("memory_bytes",), ("inputs",), ("outputs",),
         ("segments",), ("layers",), ("segments", 0), ("layers", 0), ("layers", 1, "first"), ("layers", 0, "macs"),
         ("layers", 0, "name"), *(("inputs", 0, key) for key in (
             "name", "shape", "dtype", "storage", "address", "row_bytes", "permutation", "pad_columns", "multiplier"))]


@LIMITS
@given(st.sampled_from(PATHS), JSON | st.lists(st.integers(-2, 1 << 41), max_size=3))
def test_random_values_under_a_right_hash_never_cause_another_error(path, value):
    def change(content, tensors):
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    assert outcome(rewritten(copy_program(), change)) in ("refused", "loaded")


@LIMITS
@given(st.binary(min_size=64, max_size=256))
def test_random_code_under_a_right_hash_never_causes_another_error(code):
    def change(content, tensors):
        tensors["code"] = np.frombuffer(code, np.uint8)

    assert outcome(rewritten(copy_program(), change)) == "refused"


def test_deep_nesting_is_refused():
    deep = "[" * 100_000 + "]" * 100_000
    tensors = {"code": np.zeros(64, np.uint8)}
    assert outcome(safetensors.numpy.save(tensors, {"seedchip": deep})) == "refused"
    header = deep.encode()
    assert outcome(len(header).to_bytes(8, "little") + header) == "refused"
