"""From a `torch.nn.Module` to an ONNX model and a session: `torch.export`, then torch's own ONNX translation."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seedchip.build import BuildOptions
from seedchip.session import InferenceSession

try:
    import onnxscript  # noqa: F401  (the exporter needs it, and says so late)
    import torch

    from seedchip.pytorch.decomposition import DECOMPOSITIONS
except ImportError as error:
    raise ImportError("seedchip.pytorch must have torch and onnxscript; install seedchip[torch]") from error

if TYPE_CHECKING:
    import onnx

    from seedchip.spec import ChipSpec

_NO_OPTIONS = BuildOptions()


class ExportError(ValueError):
    """A module that can't become an ONNX model. One sentence."""


def compile_module(module: torch.nn.Module, example_inputs: Sequence[Any], *, chip: str | ChipSpec = "micro",
                   options: BuildOptions = _NO_OPTIONS, host_fallback: bool = False) -> InferenceSession:
    """A session that computes ``module`` on a chip, for inputs of the shapes and types of ``example_inputs``.

    The module is exported in evaluation mode with the weights that it has now. The session's inputs are named
    ``input_0``, ``input_1``, ... in the order of the tensors in ``example_inputs``. Raises `ExportError` and the errors
    of `InferenceSession`.
    """
    were_training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        model = export_module(module, tuple(example_inputs))
    finally:
        for part in were_training:
            part.training = True
    return InferenceSession(model, chip, options=options, host_fallback=host_fallback)


def export_module(module: torch.nn.Module, example_inputs: tuple[Any, ...]) -> onnx.ModelProto:
    """The ONNX model of a module as it stands; its tensor inputs are named ``input_0``, ... Raises `ExportError`."""
    label = type(module).__name__
    try:
        with torch.no_grad(), _quiet():
            exported = torch.export.export(module, example_inputs).run_decompositions(dict(DECOMPOSITIONS))
            signature = exported.graph_signature
            names = [f"input_{i}" for i in range(len(signature.user_inputs))]
            changed = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
            if changed:
                raise ExportError(f"{label} must change neither inputs nor buffers, but it writes {changed[0]!r}; "
                                  "put it into evaluation mode")
            program = torch.onnx.export(exported, input_names=names, dynamo=True, external_data=False, verbose=False)
            if program is None:
                raise ExportError(f"{label} must be exportable to ONNX, but torch gave no program")
            return program.model_proto
    except ExportError:
        raise
    except Exception as error:  # the exporter raises whatever the module, its tracing or its translation raises
        raise ExportError(f"{label} must be exportable to ONNX, but {_first_line(error)}; change the module or compile "
                          "a part of it") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's own progress and warnings say nothing about the user's module."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    """The first line of what went wrong first; the exporter wraps it into advice to its own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
