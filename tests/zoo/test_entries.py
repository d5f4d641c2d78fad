"""Every entry keeps the interface's promises; those of trained networks hold in binary32 on ONNX Runtime."""

import gzip
import subprocess
import sys
import zlib

import numpy as np
import onnx
import onnxruntime
import pytest

from seedchip import zoo
from seedchip.zoo import bert_base, manual, novels, resnet50, sentences, text_reader
from seedchip.zoo.classified import _read_idx, classification_score
from seedchip.zoo.entry import agreement, cosine, sqnr_db
from seedchip.zoo.minilm import encode
from seedchip.zoo.pictures import drawn_line, fitted, line_fitted


def run(entry, feeds):
    """ONNX Runtime's outputs by name, one dictionary for each feeds."""
    session = onnxruntime.InferenceSession(str(entry.model()))
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(names, f), strict=True)) for f in feeds]


def multiply_adds(model: onnx.ModelProto) -> int:
    """Of Conv, Gemm and MatMul nodes, from the shapes that ONNX infers."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in (*inferred.value_info, *inferred.input, *inferred.output)}
    shapes |= {t.name: list(t.dims) for t in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type == "Conv":
            total += int(np.prod(shapes[node.output[0]])) * int(np.prod(shapes[node.input[1]][1:]))
        elif node.op_type in ("Gemm", "MatMul"):
            total += int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-1]
    return total


def bound(model: onnx.ModelProto) -> onnx.ModelProto:
    """Batch 1."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def test_names_are_unique_and_an_unknown_one_is_refused_with_the_known_ones():
    entries = zoo.entries()
    assert tuple(e.name for e in entries) == zoo.names()
    with pytest.raises(zoo.ZooError, match=r"^a model of the zoo must be one of minilm, .*, not 'resnet51'$"):
        zoo.entry("resnet51")


def test_naming_every_entry_imports_no_torch_and_fetches_nothing(tmp_path):
    code = "import sys; from seedchip import zoo; zoo.entries(); sys.exit('torch' in sys.modules)"
    environment = {"SEEDCHIP_CACHE": str(tmp_path / "cache")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["minilm", "ocr-cls", "ocr-det", "ocr-rec"])
def test_samples_and_calibration_fit_the_model_and_share_nothing(name):
    entry = zoo.entry(name)
    inputs = {i.name: i for i in onnxruntime.InferenceSession(str(entry.model())).get_inputs()}
    samples, calibration = entry.samples(), entry.calibration()
    for feeds in samples + calibration:
        assert set(feeds) == set(inputs)
        for key, value in feeds.items():
            sizes = [entry.shapes.get(s, s) for s in inputs[key].shape]
            assert [b for a, b in zip(sizes, value.shape, strict=True) if isinstance(a, int) and a > 0 and a != b] == []
    kept = {b"".join(v.tobytes() for v in feeds.values()) for feeds in samples}
    assert len(kept) == len(samples)
    assert kept.isdisjoint(b"".join(v.tobytes() for v in feeds.values()) for feeds in calibration)


def test_minilm_finds_every_paraphrase():
    entry = zoo.entry("minilm")
    outputs = run(entry, entry.samples()[:2 * len(sentences.PARAPHRASES)])
    assert entry.score(outputs, outputs) == pytest.approx(
        {"cosine": 1, "mean_cosine": 1, "paraphrases_found": 1, "reference_paraphrases_found": 1})
    exchanged = outputs[::-1]
    assert entry.score(exchanged, outputs)["cosine"] < 0.5


def test_a_text_is_cut_or_padded_to_the_sequence_with_its_mask():
    short, long = encode("Hello."), encode("word " * 500)
    assert short["input_ids"].shape == long["input_ids"].shape == (1, 128)
    assert short["input_ids"][0, :5].tolist() == [101, 7592, 1012, 102, 0]  # [CLS] hello . [SEP] [PAD]
    assert short["attention_mask"].sum() == 4 and long["attention_mask"].sum() == 128


def test_the_direction_classifier_tells_every_line_from_its_turned_self():
    entry = zoo.entry("ocr-cls")
    outputs = run(entry, entry.samples())
    assert entry.score(outputs, outputs)["accuracy"] == 1.0


def test_the_recogniser_reads_real_and_drawn_lines():
    entry = zoo.entry("ocr-rec")
    outputs = run(entry, entry.samples())
    assert text_reader.read_text(next(iter(outputs[0].values()))[0]) == "Region-based segmentation"
    score = entry.score(outputs, outputs)
    assert score["same_text"] == 1.0 and score["right_text"] >= 0.9
    blank = [{name: np.eye(1, value.shape[-1]) + 0 * value for name, value in run.items()} for run in outputs]
    assert entry.score(blank, outputs)["same_text"] == 0.0


def test_the_detector_finds_the_lines_of_a_photographed_page():
    entry = zoo.entry("ocr-det")
    page = run(entry, entry.samples()[:1])
    text = next(iter(page[0].values()))[0, 0] > text_reader.TEXT_THRESHOLD
    rows = text[:240, :].any(axis=1)  # the page is 384x191, drawn at 640x318
    assert 5 <= int(np.sum(rows[1:] & ~rows[:-1])) <= 7
    assert entry.score(page, page)["iou"] == 1.0
    nothing = [{name: 0 * value for name, value in page[0].items()}]
    assert entry.score(nothing, page)["iou"] == 0.0


def test_resnet50_is_version_one_and_a_half():
    model = bound(onnx.load_from_string(resnet50._Network().bytes()))
    assert multiply_adds(model) == resnet50.MACS == 4_089_184_256
    strided = [node for node in model.graph.node if node.op_type == "Conv" and node.attribute[2].ints[0] == 2]
    assert sorted(node.attribute[0].ints[0] for node in strided) == [1, 1, 1, 3, 3, 3, 7]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    logits = session.run(None, resnet50._pictures(1, 1)[0])[0]
    assert logits.shape == (1, 1000) and np.isfinite(logits).all() and 0.01 < logits.std() < 100


def test_a_bert_layer_has_its_products_and_ignores_padding(monkeypatch):
    monkeypatch.setattr(bert_base, "LAYERS", 1)
    monkeypatch.setattr(bert_base, "VOCABULARY", 1100)
    model = bound(onnx.load_from_string(bert_base._Network().bytes()))
    rows, width = 128, 768
    assert multiply_adds(model) == 4 * rows * width**2 + 2 * rows * width * 3072 + 2 * rows**2 * width
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feeds = bert_base._sentences(1, 1)[0]
    feeds["input_ids"] %= 1100
    kept = feeds["attention_mask"][0].astype(bool)
    hidden = session.run(None, feeds)[0]
    other = session.run(None, feeds | {"input_ids": np.where(kept, feeds["input_ids"], 7)})[0]
    assert 32 <= kept.sum() < 128
    assert np.array_equal(hidden[0, kept], other[0, kept])
    assert not np.array_equal(hidden[0, ~kept], other[0, ~kept])


def test_single_products_are_what_they_say(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDCHIP_CACHE", str(tmp_path))
    entry = zoo.entry("matvec4096")
    feeds = entry.samples()[0]
    weight = onnx.numpy_helper.to_array(onnx.load(entry.model()).graph.initializer[0])
    assert np.allclose(run(entry, [feeds])[0]["y"], feeds["x"].astype(np.float64) @ weight, atol=1e-4)


def test_novels_are_read_from_their_records():
    lines = novels.novel("Pride and Prejudice")
    assert len(lines) == 13_030
    assert any("It is a truth universally acknowledged" in line for line in lines)
    assert all(len(text.split()) >= 90 for text in novels.paragraphs("Northanger Abbey", 90))
    with pytest.raises(zoo.ZooError, match=r"a novel must be one of Emma, .*, not 'Ulysses'$"):
        novels.novel("Ulysses")


@pytest.mark.parametrize(("data", "reason"), [
    (b"\0\0\0\x04" + zlib.compress(b"abc"), "must have 4 bytes, not 3"),
    (b"\0\0\0\x04no stream", "must be a zlib stream")])
def test_a_damaged_record_of_a_novel_is_named(data, reason):
    with pytest.raises(zoo.ZooError, match=f"^jane-austen: a record {reason}"):
        list(novels._records(data))


def test_a_data_file_of_another_format_is_named(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(b"\x00\x00\x0d\x03" + bytes(12)))
    with pytest.raises(zoo.ZooError) as error:
        _read_idx(path)
    assert str(error.value) == (f"{path}: the file must be IDX with unsigned bytes, not magic 0x00000d03; delete it "
                                "and run again")


def test_scores_are_those_worked_by_hand():
    a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    assert cosine(a, b) == pytest.approx(24 / 25)
    assert sqnr_db(a, b) == pytest.approx(10 * np.log10(25 / 2))
    assert agreement([{"y": a}, {"y": b}], [{"y": a}, {"y": a}]) == pytest.approx(
        {"cosine": 24 / 25, "sqnr_db": 10 * np.log10(25 / 2)})
    ours, theirs = np.array([[1.0, 0], [1, 0], [0, 1]]), np.array([[1.0, 0], [0, 1], [0, 1]])
    score = classification_score(np.array([0, 1, 0, 1]))([{"y": ours}], [{"y": theirs}])
    assert score == pytest.approx({"accuracy": 1 / 3, "reference_accuracy": 2 / 3, "top1_agreement": 2 / 3,
                                   "cosine": 0})


def test_a_picture_is_fitted_with_its_colours_in_the_networks_order():
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[..., 0] = 255  # red
    whole = fitted(pixels, (20, 40))
    assert whole[0, :, 0, 0].tolist() == [-1, -1, 1]
    assert (whole[0, :, 10:] == 0).all() and (whole[0, :, :10] != 0).all()
    line = line_fitted(pixels, (20, 60))
    assert (line[0, 2] == 1).all()
    assert np.array_equal(drawn_line("abc", 1), drawn_line("abc", 1))


def test_the_users_page_is_fresh():
    assert manual.PATH.read_text(encoding="utf-8") == manual.manual(), "write it again: python -m seedchip.zoo.manual"
