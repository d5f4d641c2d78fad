"""Inputs from files: arrays, pictures and texts, and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from seedchip.calibration import read_samples
from seedchip.inputs import InputSpec, ReadOptions, check_feed, random_feeds, read_feeds
from seedchip.simulator.errors import FeedError

PLAIN = ReadOptions()
PICTURE = InputSpec("x", (1, 3, 4, 6), "float32")


@pytest.fixture
def picture(tmp_path):
    """12x8 pixels: left half red 255, green 51; right half blue 255."""
    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[:, :6], pixels[:, 6:] = (255, 51, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    return tmp_path / "p.png"


@pytest.fixture
def tokenizer(tmp_path):
    made = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "hello": 2, "world": 3}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return ReadOptions(tokenizer=tmp_path / "tokenizer.json")


def refusal(*arguments, specs=(PICTURE,), options=PLAIN) -> str:
    with pytest.raises(FeedError) as caught:
        read_feeds([str(a) for a in arguments], list(specs), options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_array_is_read_as_it_is(tmp_path):
    x = np.arange(72, dtype=np.float32).reshape(PICTURE.shape)
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(read_feeds([f"x={tmp_path / 'x.npy'}"], [PICTURE], PLAIN)["x"], x)
    np.testing.assert_array_equal(read_feeds([str(tmp_path / "x.npy")], [PICTURE], PLAIN)["x"], x)


def test_an_array_of_objects_is_never_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    path = tmp_path / "x.npy"
    assert refusal(f"x={path}").startswith(f"{path}: the file must be a .npy array of numbers, but ")


def test_a_picture_is_resized_laid_out_and_normalised(picture):
    options = ReadOptions(mean=(0.5, 0.1, 0.0), std=(0.5, 1.0, 2.0))
    found = read_feeds([f"x={picture}"], [PICTURE], options)["x"]
    assert found.shape == (1, 3, 4, 6) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, :, 0, 0], [(1 - 0.5) / 0.5, 0.2 - 0.1, 0.0], atol=1e-6)
    np.testing.assert_allclose(found[0, :, 3, 5], [-1.0, -0.1, 0.5], atol=1e-6)
    last = read_feeds([f"x={picture}"], [InputSpec("x", (4, 6, 3), "uint8")], options)["x"]
    np.testing.assert_array_equal(last[0, 0], [255, 51, 0])
    grey = read_feeds([f"x={picture}"], [InputSpec("x", (1, 1, 4, 6), "float32")], PLAIN)["x"]
    assert grey[0, 0, 0, 5] == pytest.approx(29 / 255)  # ITU-R 601: 0.114 of blue


def test_a_picture_needs_an_input_of_its_shape(picture):
    assert refusal(f"x={picture}", specs=[InputSpec("x", (1, 10), "float32")]) == (
        "input 'x' must have the shape of one picture (1xCxHxW or 1xHxWxC with 1, 3 or 4 channels) to read one, not "
        "1x10; pass a .npy file")
    assert refusal(f"x={picture}", options=ReadOptions(mean=(1.0, 2.0))) == (
        "--mean must be one number or 3, one for each channel, not 2")


def test_a_picture_that_is_too_large_is_not_decoded(tmp_path):
    Image.new("1", (20_000, 5_000)).save(tmp_path / "big.png")
    text = refusal(f"x={tmp_path / 'big.png'}")
    assert "pixels" in text


def test_a_text_fills_tokens_mask_and_types(tokenizer):
    specs = [InputSpec(n, (1, 5), "int64") for n in ("input_ids", "attention_mask", "token_type_ids")]
    feeds = read_feeds(["input_ids=hello big world"], specs, tokenizer)
    assert [feeds[s.name].tolist()[0] for s in specs] == [[2, 1, 3, 0, 0], [1, 1, 1, 0, 0], [0] * 5]


def test_a_long_text_is_cut_to_the_inputs_length(tokenizer):
    specs = [InputSpec("input_ids", (1, 3), "int64")]
    assert read_feeds(["input_ids=hello world hello world"], specs, tokenizer)["input_ids"].tolist() == [[2, 3, 2]]


def test_what_is_missing_or_given_twice_is_named(tmp_path):
    two = [InputSpec("a", (1,), "int64"), InputSpec("b", (2, 3), "float32")]
    np.save(tmp_path / "a.npy", np.zeros(1, np.int64))
    assert refusal(f"a={tmp_path / 'a.npy'}", specs=two) == (
        "input 'b' must be given: --input b=FILE; the network has the inputs a (int64 1), b (float32 2x3)")
    assert refusal(f"a={tmp_path / 'a.npy'}", f"a={tmp_path / 'a.npy'}", specs=two) == "input 'a' must be given once"


def test_types_are_converted_only_when_values_are_kept():
    spec = InputSpec("a", (2,), "int32")
    assert check_feed(spec, np.array([1, 2], np.int64)).dtype == np.int32
    assert check_feed(spec, [1.0, 2.0]).tolist() == [1, 2]
    for wrong in ([1.5, 2.0], np.array([1, 2**40]), [np.nan, 1.0]):
        with pytest.raises(FeedError, match=r"^input 'a' must be int32, not \w+ values that do not fit; convert "):
            check_feed(spec, wrong)
    with pytest.raises(FeedError, match=r"^input 'a' must have the shape 2, not 3; resize it"):
        check_feed(spec, [1, 2, 3])


def test_random_feeds_depend_on_the_seed_alone():
    specs = [PICTURE, InputSpec("ids", (1, 8), "int64")]
    first, second = random_feeds(specs, 1), random_feeds(specs, 1)
    assert all(np.array_equal(first[s.name], second[s.name]) and first[s.name].dtype == s.dtype for s in specs)
    assert set(np.unique(first["ids"])) <= {0, 1}


def test_calibration_reads_archives_arrays_and_pictures(tmp_path, picture):
    spec = InputSpec("x", (1, 3, 4, 6), "float32")
    np.savez(tmp_path / "a.npz", x=np.zeros((5, 3, 4, 6), np.float32))
    np.save(tmp_path / "b.npy", np.ones((1, 3, 4, 6), np.float32))
    assert len(read_samples(tmp_path / "a.npz", [spec], PLAIN)) == 5
    samples = read_samples(tmp_path, [spec], PLAIN)
    assert len(samples) == 7 and all(s["x"].shape == spec.shape for s in samples)


def test_calibration_data_that_does_not_fit_is_refused(tmp_path):
    spec = InputSpec("x", (1, 4), "float32")
    np.savez(tmp_path / "a.npz", z=np.zeros((5, 4), np.float32))
    with pytest.raises(FeedError, match=re.escape("must hold input 'x'; the network has the inputs x (float32 1x4)")):
        read_samples(tmp_path / "a.npz", [spec], PLAIN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeedError, match=r"must hold at least one sample"):
        read_samples(tmp_path / "empty", [spec], PLAIN)


@settings(max_examples=40, deadline=2000, derandomize=True)
@given(st.binary(max_size=200), st.sampled_from([".npy", ".png", ".jpg", ".npz"]), st.booleans())
def test_damaged_files_are_one_sentence(tmp_path_factory, data, suffix, head):
    magic = {".npy": b"\x93NUMPY\x01\x00v\x00", ".png": b"\x89PNG\r\n\x1a\n", ".jpg": b"\xff\xd8\xff\xe0",
             ".npz": b"PK\x03\x04"}
    path = tmp_path_factory.mktemp("damaged") / f"f{suffix}"
    path.write_bytes((magic[suffix] if head else b"") + data)
    with pytest.raises(FeedError, match=r"^[^\n]+$"):
        read_samples(path, [PICTURE], PLAIN) if suffix == ".npz" else read_feeds([f"x={path}"], [PICTURE], PLAIN)
