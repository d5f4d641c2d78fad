"""What a caller can choose, and what is chosen per layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from seedchip.numerics.limbs import NUM_LIMBS
from seedchip.quantise.errors import QuantiseError

Precision = Literal["int8", "int16", "int24", "auto"]
PRECISIONS = ("int8", "int16", "int24", "auto")


@dataclass(frozen=True)
class LayerChoice:
    """How one matrix node runs: limbs of both operands, and whether calibration fixed its activations' scales."""

    num_limbs: int = 1
    static: bool = False

    @property
    def num_passes(self) -> int:
        """Matrix passes over the array (see `seedchip.numerics.limbs.diagonals`)."""
        return (1, 4, 6)[self.num_limbs - 1]


@dataclass(frozen=True)
class QuantiseOptions:
    """Choices beyond precision, calibration and method.

    ``activations``: "static" needs calibration; "auto" is static where calibration is given, else dynamic (scales found
    at run time per row of a matrix product or per sample of a convolution, never across a batch).
    ``storage``: "auto" stores image tensors between convolutions once, as int8, and keeps a binary32 twin of what
    only matrix products read (a transformer's residual stream); "int8" drops the twins, "float32" keeps one everywhere.
    ``equalise``: static activations of matrix products get per-channel scales that move range between activations and
    weights.
    ``bias_correction``: the mean error of rounded weights is taken out of the layer's bias.
    ``asymmetric``: activations that are not centred get a zero point, which padding and bias take in at no cost.
    ``layers``: precision of single layers, by the name of the tensor that the matrix node defines.
    ``cosine`` is the target of precision "auto" for every output; ``percentile`` belongs to that method.
    """

    activations: Literal["auto", "static", "dynamic"] = "auto"
    storage: Literal["auto", "int8", "float32"] = "auto"
    equalise: bool = True
    bias_correction: bool = True
    asymmetric: bool = True
    percentile: float = 99.99
    cosine: float = 0.999
    layers: Mapping[str, Literal["int8", "int16", "int24"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("activations", ("auto", "static", "dynamic")), ("storage", ("auto", "int8", "float32"))):
            if getattr(self, name) not in known:
                raise QuantiseError(f"QuantiseOptions.{name} must be one of {', '.join(known)}, "
                                    f"not {getattr(self, name)!r}")
        if not 0 < self.percentile <= 100:
            raise QuantiseError(f"QuantiseOptions.percentile must be above 0 and at most 100, not {self.percentile}")
        for layer, precision in self.layers.items():
            if precision not in NUM_LIMBS:
                raise QuantiseError(f"QuantiseOptions.layers[{layer!r}] must be one of {', '.join(NUM_LIMBS)}, "
                                    f"not {precision!r}")
