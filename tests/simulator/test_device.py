"""The device: feeds checked, converted and written; outputs read back; programs for other chips refused."""

from __future__ import annotations

import numpy as np
import pytest

from seedchip.isa import Halt, Load, Store, encode_program
from seedchip.program import Program, ProgramError, TensorPlace
from seedchip.simulator import FeedError, SimulatedDevice
from seedchip.simulator.driver import check_feeds, read_output, write_input
from seedchip.spec import load

SPEC = load("nano")


def copy_program() -> Program:
    """Copies 64 bytes from x to y."""
    code = encode_program([Load(memory_address=1024, run_bytes=64, signal=1, write_banks=1),
                           Store(memory_address=2048, run_bytes=64, wait_load=1, read_banks=1), Halt()])
    x = TensorPlace("x", (2, 32), "int8", "int8", 1024, 32, (0, 1))
    y = TensorPlace("y", (2, 32), "int8", "int8", 2048, 32, (0, 1))
    return Program("copy", SPEC.name, SPEC.hash, 1, code, 0, 4096, (x,), (y,), (), ())


def test_a_copy_gives_back_its_input_on_every_run():
    device = SimulatedDevice(copy_program(), SPEC)
    for seed in range(2):
        x = np.random.default_rng(seed).integers(-128, 128, (2, 32), np.int8)
        np.testing.assert_array_equal(device.run({"x": x})["y"], x)
    assert device.timeline is device.timeline
    assert device.timeline.cycles == 161


def test_a_program_for_another_chip_is_refused():
    with pytest.raises(ProgramError, match=r"^the program was compiled for chip 'nano' \(\w{12}\), not for 'micro'"):
        SimulatedDevice(copy_program(), load("micro"))


FEEDS = [
    ({}, "input 'x' must be fed: int8 [2, 32]"),
    ({"X": np.zeros(3)}, "'X' is not an input of the program; inputs: 'x'"),
    ({"x": np.zeros((2, 31), np.int8)}, "input 'x' must have shape [2, 32], not [2, 31]"),
    ({"x": np.zeros((2, 32))}, "input 'x' must be int8, not float64; convert it to integers"),
    ({"x": np.full((2, 32), 128)}, "input 'x' must hold integers in [-128, 127], not in [128, 128]"),
    ({"x": np.full((2, 32), "a")}, "input 'x' must be int8, not <U1"),
]


@pytest.mark.parametrize(("feeds", "sentence"), FEEDS, ids=[s for _, s in FEEDS])
def test_a_wrong_feed_gets_one_sentence(feeds: dict[str, np.ndarray], sentence: str):
    with pytest.raises(FeedError) as error:
        SimulatedDevice(copy_program(), SPEC).run(feeds)
    assert str(error.value) == sentence


def test_token_numbers_must_fit_32_bits_and_floats_must_be_floats():
    ids = TensorPlace("ids", (2,), "int64", "int32", 0, 8, (0,))
    with pytest.raises(FeedError, match=r"^input 'ids' must hold integers in \[-2147483648, 2147483647\], not in"):
        check_feeds((ids,), {"ids": np.array([0, 2**31])})
    image = TensorPlace("image", (2,), "float32", "float32", 0, 8, (0,))
    with pytest.raises(FeedError) as error:
        check_feeds((image,), {"image": np.array([1, 2])})
    assert str(error.value) == "input 'image' must be float32, not int64; convert it with astype('float32')"


def test_an_image_is_permuted_padded_scaled_and_its_rows_are_filled_with_zeros():
    place = TensorPlace("image", (1, 3, 2, 2), "float32", "int8", 8, 8, (0, 2, 3, 1), (1, 2), 10.0)
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2) / 4
    image[0, 0, 0, 0], image[0, 1, 1, 1], image[0, 2, 0, 1] = np.nan, 1e9, -1e9
    memory = np.full(128, 77, np.uint8)
    write_input(memory, place, image)
    expected = np.zeros((2, 5, 8), np.int8)
    for y in range(2):
        for x in range(2):
            for c in range(3):
                scaled = image[0, c, y, x] * 10
                expected[y, x + 1, c] = 0 if np.isnan(scaled) else round(float(np.clip(scaled, -128, 127)))
    assert memory[8:88].view(np.int8).tolist() == expected.reshape(-1).tolist()
    assert set(memory[88:].tolist()) == {77}


def test_an_output_is_permuted_back_and_gets_the_users_type():
    stored = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)  # N, H, W, C
    memory = np.zeros(6 * 32, np.uint8)
    memory.reshape(6, 32)[:, :16] = stored.reshape(6, 4).view(np.uint8)
    place = TensorPlace("y", (1, 4, 2, 3), "float16", "float32", 0, 32, (0, 2, 3, 1))
    result = read_output(memory, place)
    assert result.dtype == np.float16
    np.testing.assert_array_equal(result, stored.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("dtype", "storage", "values"), [
    ("bool", "int8", [True, False]), ("int64", "int32", [-5, 7]), ("uint8", "int32", [200, 3]),
    ("float64", "float32", [0.5, -2.0]), ("int32", "float32", [3, -4]), ("float16", "float32", [1.5, 2.0])])
def test_types_survive_the_way_there_and_back(dtype: str, storage: str, values: list[float]):
    place = TensorPlace("t", (2,), dtype, storage, 0, 16, (0,))
    memory = np.zeros(16, np.uint8)
    array = np.array(values, dtype)
    write_input(memory, place, check_feeds((place,), {"t": array})["t"])
    result = read_output(memory, place)
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array)


def test_a_scalar_has_one_row():
    place = TensorPlace("s", (), "float32", "float32", 0, 4, ())
    memory = np.zeros(4, np.uint8)
    write_input(memory, place, np.float32(2.5).reshape(()))
    assert read_output(memory, place) == np.float32(2.5)
