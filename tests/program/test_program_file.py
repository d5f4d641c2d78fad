"""The program file: what is written comes back, and a file that is not sound is refused in one sentence."""

import dataclasses
import hashlib
import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from small_programs import copy_program

from seedchip.isa import Halt, Load, Matmul, encode_program
from seedchip.program import Layer, Program, ProgramError, Segment, load, save, verify_program
from seedchip.program.file import to_bytes
from seedchip.spec import load as load_chip


def rewritten(program: Program, change) -> bytes:
    """The file of ``program`` after ``change(content, tensors)``, with a hash that is right."""
    tensors = safetensors.numpy.load(to_bytes(program))
    header = to_bytes(program)
    size = int.from_bytes(header[:8], "little")
    content = json.loads(json.loads(header[8:8 + size])["__metadata__"]["seedchip"])
    del content["sha256"]
    change(content, tensors)
    sha = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        sha.update(f"\n{name} {tensors[name].size}\n".encode() + tensors[name].tobytes())
    content["sha256"] = sha.hexdigest()
    return safetensors.numpy.save(tensors, {"seedchip": json.dumps(content)})


def refusal(path: Path, data: bytes, spec=None) -> str:
    path.write_bytes(data)
    with pytest.raises(ProgramError) as caught:
        load(path, spec)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_a_program_comes_back_as_it_was_written(program, tmp_path):
    save(program, tmp_path / "copy.seed")
    back = load(tmp_path / "copy.seed", load_chip("nano"))
    for field in dataclasses.fields(Program):
        if field.name != "segments":
            assert getattr(back, field.name) == getattr(program, field.name)
    assert [s.address for s in back.segments] == [3072, 3200]
    for ours, theirs in zip(back.segments, program.segments, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
        assert not ours.data.flags.writeable


def test_the_same_program_gives_the_same_bytes_and_the_whole_file_or_none(program, tmp_path):
    save(program, tmp_path / "a")
    save(copy_program(), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~current_umask()
    with pytest.raises(OSError):
        save(program, tmp_path / "missing" / "folder")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        save(program, tmp_path / "taken")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "taken"]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_any_safetensors_reader_finds_code_and_constants(program, tmp_path):
    save(program, tmp_path / "copy.seed")
    with safetensors.safe_open(tmp_path / "copy.seed", "numpy") as file:
        assert sorted(file.keys()) == ["code", "segment.000000", "segment.000001"]
        assert file.get_tensor("code").tobytes() == program.code
        assert json.loads(file.metadata()["seedchip"])["chip_name"] == "nano"


def test_a_program_for_another_chip_is_refused(program, tmp_path):
    save(program, tmp_path / "copy.seed")
    with pytest.raises(ProgramError) as caught:
        load(tmp_path / "copy.seed", load_chip("micro"))
    nano, micro = load_chip("nano").hash[:12], load_chip("micro").hash[:12]
    assert str(caught.value) == (f"{tmp_path / 'copy.seed'}: the program was compiled for chip 'nano' ({nano}), not "
                                 f"for 'micro' ({micro}); compile the model for 'micro'")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ProgramError, match=r"^/.*/none: the program file cannot be read: No such file or directory$"):
        load(tmp_path / "none")
    with pytest.raises(ProgramError, match=r": a program must be a regular file$"):
        load(tmp_path)


def test_a_foreign_file_is_refused(tmp_path):
    text = refusal(tmp_path / "f", b"hello, world, this is a text file")
    assert text == ("the file must be a safetensors container, but its header does not fit; it is truncated, "
                    "damaged or of another format")
    weights = safetensors.numpy.save({"w": np.zeros(3, np.float32)}, {"seedchip": '{"format": "pt"}'})
    assert refusal(tmp_path / "f", weights) == (
        "the file must be a SeedChip program, but it is another kind of safetensors file")
    plain = safetensors.numpy.save({"w": np.zeros(3, np.float32)})
    assert refusal(tmp_path / "f", plain) == "the metadata must be an object, not None"


def test_every_truncation_is_refused(program, tmp_path):
    data = to_bytes(program)
    for length in range(0, len(data), 7):
        refusal(tmp_path / "f", data[:length])


def test_one_changed_constant_is_noticed(program, tmp_path):
    data = bytearray(to_bytes(program))
    data[-1] ^= 1
    assert refusal(tmp_path / "f", bytes(data)) == (
        "the file is damaged: its content does not have the SHA-256 that it states; get it again")


BREAKS = {
    "another format version": (lambda c, t: c.update(version=2),
                               "the file must have format version 1, not 2; compile the model again"),
    "another instruction set": (lambda c, t: c.update(isa_version=7),
                                "the program must be for version 1 of the instruction set, not 7; "
                                "compile the model again"),
    "a missing key": (lambda c, t: c.pop("layers"), "the metadata misses the key 'layers'"),
    "an unknown key": (lambda c, t: c.update(extra=1), "the metadata must not have the key 'extra'"),
    "a boolean address": (lambda c, t: c.update(code_address=True),
                          "code_address must be an integer in [0, 1099511627776], not True"),
    "a huge number": (lambda c, t: c.update(memory_bytes=10 ** 400),
                      "memory_bytes must be an integer in [0, 1099511627776], not a huge integer"),
    "a segment beyond memory": (lambda c, t: c["segments"].__setitem__(1, 4095),
                                "constant segment 1 must lie in the program's 4096 bytes of memory, not at 4095 "
                             "with 7 bytes"),
    "overlapping segments": (lambda c, t: c["segments"].__setitem__(1, 3171),
                             "constant segment 1 must not overlap constant segment 0"),
    "an input over the code": (lambda c, t: c["inputs"][0].update(address=191), "input 'x' must not overlap the code"),
    "an output over the code": (lambda c, t: c["outputs"][0].update(address=0), "output 'y' must not overlap the code"),
    "an output beyond memory": (lambda c, t: c["outputs"][0].update(address=4033),
                                "output 'y' must lie in the program's 4096 bytes of memory, not at 4033 with 64 bytes"),
    "a short row": (lambda c, t: c["inputs"][0].update(row_bytes=31),
                    "a row of input 'x' must hold 32 elements, more than 31 bytes do"),
    "a wrong permutation": (lambda c, t: c["inputs"][0].update(permutation=[0, 0]),
                            "the permutation of input 'x' must order 2 axes, not be (0, 0)"),
    "an unknown storage": (lambda c, t: c["inputs"][0].update(storage="int4"),
                           "inputs[0].storage must be one of int8, int32, float32, not 'int4'"),
    "a multiplier of zero": (lambda c, t: c["inputs"][0].update(multiplier=0.0),
                             "inputs[0].multiplier must be a positive binary32 number, not 0.0"),
    "two inputs of one name": (lambda c, t: c["inputs"].append(dict(c["inputs"][0], address=512)),
                               "input names must be unique, but 'x' stands twice"),
    "a layer beyond the code": (lambda c, t: c["layers"][1].update(last=4),
                                "layer 'write' must be a stretch of the 3 instructions, not [1, 4) with 0 MACs"),
    "code that does not halt": (lambda c, t: t.update(code=t["code"][:-64]),
                                "the code must end in its only halt, but it has 0 among 2 instructions"),
    "half an instruction": (lambda c, t: t.update(code=t["code"][:-1]),
                            "the code must be whole 64-byte words, not 191 bytes"),
    "an unknown opcode": (lambda c, t: t.update(code=t["code"] | np.uint8(0x3E)),
                          "the code must be instructions, but opcode 0x3f at byte 0 has spare bits that are not 0"),
    "a missing segment": (lambda c, t: t.pop("segment.000001"),
                          "the container must hold code and 2 segments, but 'segment.000001' is missing"),
    "a float segment": (lambda c, t: t.update({"segment.000001": np.zeros(7, np.float32)}),
                        "tensor 'segment.000001' must be one-dimensional uint8, not float32 with 1 axes"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_file_with_a_right_hash_is_refused_for(name, program, tmp_path):
    change, sentence = BREAKS[name]
    text = refusal(tmp_path / "f", rewritten(program, change))
    if name == "an unknown opcode":
        assert text.startswith("the code must be instructions, but ")
    else:
        assert text == sentence


def test_a_transfer_that_leaves_memory_is_refused(program, tmp_path):
    code = encode_program([Load(memory_address=4000, run_bytes=64, count0=2, memory_stride0=64), Halt()])
    broken = dataclasses.replace(program, code=code, layers=())
    with pytest.raises(ProgramError, match=re.escape(
            "instruction 0 (load) must stay in the program's 4096 bytes of memory, not touch [4000, 4128)")):
        save(broken, tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_a_loop_of_length_0_is_refused(program):
    code = encode_program([Load(run_bytes=64, count1=0, write_banks=1), Halt()])
    with pytest.raises(ProgramError, match=r"^count1 of instruction 0 \(load\) must be 1 or more, not 0$"):
        verify_program(dataclasses.replace(program, code=code, layers=()))


@pytest.mark.parametrize(("name", "fields"), [
    ("tiles_alone", {"tiles_k": 2, "valid_k": 16}), ("first_alone", {"weight_address": 4096, "read_banks": 3}),
])
def test_weights_beside_activations_of_their_bank_are_refused(program, name, fields):
    before = Matmul(weight_address=8192, activation_address=4096, read_banks=6, accumulator_banks=1)
    wrong = Matmul(accumulator_banks=1, **{"weight_address": 64, "read_banks": 1} | fields)
    spec = load_chip("nano")
    with pytest.raises(ProgramError) as error:
        verify_program(dataclasses.replace(program, code=encode_program([before, wrong, Halt()]), layers=()), spec)
    assert str(error.value) == (f"instruction 1 (matmul) must have {name}=1, since its weights share scratchpad banks "
                                "with activations that stream while they are loaded")
    right = dataclasses.replace(wrong, **{name: 1})
    verify_program(dataclasses.replace(program, code=encode_program([before, right, Halt()]), layers=()), spec)


def test_a_model_larger_than_the_memory_of_the_chip_is_refused(program, tmp_path):
    nano = load_chip("nano")
    large = dataclasses.replace(program, memory_bytes=nano.memory.bytes + 1)
    save(large, tmp_path / "f")
    assert load(tmp_path / "f").memory_bytes == nano.memory.bytes + 1
    with pytest.raises(ProgramError, match=r"choose a chip with more memory$"):
        load(tmp_path / "f", nano)


def test_empty_segments_tensors_and_layers_are_kept(program, tmp_path):
    empty = dataclasses.replace(program.inputs[0], name="empty", shape=(0, 32))
    whole = dataclasses.replace(program, inputs=(*program.inputs, empty), segments=(Segment(9, np.zeros(0, np.uint8)),),
                                layers=(Layer("nothing", "Reshape", 1, 1, 0),))
    save(whole, tmp_path / "f")
    back = load(tmp_path / "f")
    assert back.inputs[1].num_bytes == 0 and back.segments[0].data.size == 0 and back.layers == whole.layers
