"""PyTorch modules on the chip: `compile_module`, and `torch.compile(module, backend="seedchip")`.

Needs the optional extra: ``pip install 'seedchip[torch]'``. Nothing else of the package imports torch.
"""

from __future__ import annotations

from seedchip.pytorch.backend import seedchip
from seedchip.pytorch.export import ExportError, compile_module, export_module

__all__ = ["ExportError", "compile_module", "export_module", "seedchip"]
