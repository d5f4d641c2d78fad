"""How close each real model's answers on the chip are to binary32's: static INT8 everywhere, and `auto`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedchip import zoo
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.text_boxes import harmonic_mean
from seedchip.bench.trial import Trial, compile_trial, quantise_entry, reference, run_beside
from seedchip.spec import load
from seedchip.zoo.entry import arrays

if TYPE_CHECKING:
    from seedchip.quantise.options import Precision

MIN_AGREEMENT = 0.99
MIN_COSINE = 0.999
PRECISIONS: tuple[Precision, ...] = ("int8", "auto")


@dataclass(frozen=True)
class Task:
    """A model, how many feeds calibrate it, on how many samples it is judged, and which scores speak for its task.

    ``absolute`` scores are shares of agreement with binary32; ``relative`` ones are divided by binary32's own score.
    """

    model: str
    num_feeds: int
    num_samples: int
    absolute: tuple[str, ...] = ()
    relative: tuple[str, ...] = ()


TASKS = (
    Task("digits-cnn", 64, 1000, absolute=("top1_agreement",), relative=("accuracy",)),
    Task("ocr-cls", 16, 42, absolute=("top1_agreement",), relative=("accuracy",)),
    Task("ocr-det", 4, 6, absolute=("boxes_hmean", "mean_iou")),
    Task("ocr-rec", 8, 21, absolute=("same_text",), relative=("right_text",)),
    Task("minilm", 8, 36, relative=("paraphrases_found",)),
    Task("efficientnet-lite0", 12, 10, absolute=("top1_agreement",)),
)
"""Real pictures, lines and sentences; calibration feeds are none of them."""


def agreements(task: Task, scores: Mapping[str, float]) -> dict[str, float]:
    """The figures of which one must reach its bound: cosine, and the task's own as a share of binary32's."""
    found = {name: scores[name] for name in task.absolute if name in scores}
    found |= {name: scores[name] / max(scores[f"reference_{name}"], 1e-9) for name in task.relative if name in scores}
    return found


def is_met(task: Task, scores: Mapping[str, float]) -> bool:
    """Cosine 0.999, or one of the task's own figures at 99 % of binary32."""
    best = max(agreements(task, scores).values(), default=0.0)
    return scores.get("cosine", 0.0) >= MIN_COSINE or best >= MIN_AGREEMENT


def measure_scores(task: Task, precision: Precision) -> tuple[Trial, dict[str, float]]:
    """The program, and the entry's score of its answers beside ONNX Runtime's."""
    entry = zoo.entry(task.model)
    trial = compile_trial(quantise_entry(entry, precision, task.num_feeds), load("micro"))
    outputs, references = run_beside(trial.run, reference(entry), entry.samples()[:task.num_samples])
    scores = entry.score(outputs, references)
    if task.model == "ocr-det":
        ours, theirs = (list(arrays(runs)[:, 0, 0]) for runs in (outputs, references))
        scores["boxes_hmean"] = harmonic_mean(ours, theirs)
    return trial, scores


def _cells(task: Task, precision: str, trial: Trial, scores: Mapping[str, float]) -> list[str]:
    own = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in agreements(task, scores).items())
    return [task.model, precision, f"{scores.get('cosine', float('nan')):.6f}", own, f"{trial.report.cycles:,}",
            "yes" if is_met(task, scores) else "no"]


def _measure(progress: Progress) -> Measurement:
    values: dict[str, Any] = {}
    rows, remarks = [], []
    for task in TASKS:
        try:
            zoo.entry(task.model).model()
        except zoo.ZooError as error:
            if not zoo.entry(task.model).extra:
                raise
            remarks.append(f"Not measured: {error}, then run `seedchip bench accuracy`.")
            continue
        for precision in PRECISIONS:
            progress(f"{task.model} at {precision}, {task.num_samples} samples")
            trial, scores = measure_scores(task, precision)
            rows.append(_cells(task, precision, trial, scores))
            values[f"{task.model} {precision}"] = {**scores, "cycles": trial.report.cycles,
                                                   "met": is_met(task, scores)}
    models = [task.model for task in TASKS if f"{task.model} int8" in values]
    good = {p: [m for m in models if values[f"{m} {p}"]["met"]] for p in PRECISIONS}
    figure = (f"static INT8: {len(good['int8'])} of {len(models)} models ({', '.join(good['int8'])}); "
              f"`auto`: {len(good['auto'])} of {len(models)} ({', '.join(good['auto'])})")
    detail = Detail("Answers beside ONNX Runtime's binary32", ["model", "precision", "least cosine", "of binary32",
                                                               "cycles on `micro`", "reaches 99 %"], rows, [
        "Reached where the least cosine over all samples is 0.999 or a figure of the task is 0.99. `auto` "
        "gives more limbs, or scales found at run time, to the layers that need them.",
        "`boxes hmean` (ICDAR): boxes that overlap binary32's by half. One of the detector's pictures holds no text: "
        "both maps are nearly 0 there, and their cosine says nothing.", *remarks])
    all_good = len(good["auto"]) == len(models)
    return Measurement(figure + ("; one not measured" if remarks else ""),
                       None if all_good and remarks else all_good,
                       "`micro`, exact simulator, batch 1; real data that calibration has not seen; seeds fixed in "
                       "seedchip.zoo", values, [detail])


ACCURACY = Row("accuracy", "accuracy of each real model, INT8 against binary32",
               "top-1 agreement >= 99 % or cosine >= 0.999 or task metric >= 99 % of binary32",
               "MLPerf's 99 % rule", _measure)
