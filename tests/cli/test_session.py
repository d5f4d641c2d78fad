"""`InferenceSession` and `compile`: ONNX Runtime's shape, the same bits on every chip."""

import numpy as np
import pytest

import seedchip
from seedchip.program import ProgramError, save
from seedchip.program.file import to_bytes
from seedchip.simulator.errors import FeedError
from seedchip.spec import load as load_chip


def feed(rows: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(5).standard_normal((rows, 32), np.float32)}


def test_outputs_come_in_the_order_asked_for(mlp):
    session = seedchip.InferenceSession(mlp)
    (named,), (every,) = session.run(["y"], feed()), session.run(None, feed())
    np.testing.assert_array_equal(named, every)
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("y", [1, 10])]
    with pytest.raises(FeedError, match=r"^output 'z' must be one of y$"):
        session.run(["z"], feed())


def test_wrong_feeds_are_one_sentence(mlp):
    session = seedchip.InferenceSession(mlp)
    for wrong in ({}, {"x": np.zeros((1, 31), np.float32)}, {"x": np.array([["a"]])}, {**feed(), "z": np.zeros(1)}):
        with pytest.raises(FeedError, match=r"^[^\n]+$"):
            session.run(None, wrong)


def test_a_row_has_the_same_bits_on_every_chip_and_in_every_batch(mlp):
    rows = feed(3)["x"]
    options = seedchip.BuildOptions(shapes={"batch": 3})
    batch = seedchip.InferenceSession(mlp, "micro", options=options).run(None, {"x": rows})[0]
    for chip in ("nano", "micro", "nvdla-2048"):
        session = seedchip.InferenceSession(mlp, chip)
        alone = np.concatenate([session.run(None, {"x": rows[i:i + 1]})[0] for i in range(3)])
        np.testing.assert_array_equal(alone.view(np.uint32), batch.view(np.uint32))


def test_a_compiled_program_runs_from_memory_and_from_a_file(mlp, tmp_path):
    program = seedchip.compile(mlp, "nano")
    assert to_bytes(program) == to_bytes(seedchip.compile(mlp, "nano"))
    save(program, tmp_path / "p")
    expected = seedchip.InferenceSession(mlp, "nano").run(None, feed())[0]
    for source in (program, tmp_path / "p"):
        np.testing.assert_array_equal(seedchip.InferenceSession(source, "nano").run(None, feed())[0], expected)
    with pytest.raises(ProgramError, match=r"compile the model for 'micro'$"):
        seedchip.InferenceSession(program, load_chip("micro"))


def test_costs_need_no_feeds_and_do_not_depend_on_them(mlp):
    session = seedchip.InferenceSession(mlp)
    before = session.report()
    session.run(None, feed())
    assert session.report() == before and before.cycles == session.timeline.cycles
