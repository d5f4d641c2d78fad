"""The operators, one function each, grouped by theme. Importing this package fills
`seedchip.frontend.registry.OPERATORS`."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
