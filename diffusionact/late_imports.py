"""Names of a package that are imported when first asked for, so that nobody waits for what he does not use.

Importing diffusers takes longer than importing torch, and the photo model needs nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def late_imports(package: str, names_of: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package (PEP 562).

    Args:
        package: its `__name__`.
        names_of: module, relative to the package -> the names that come from it.
    """
    modules = {name: module for module, names in names_of.items() for name in names}

    def getattr_of_package(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name], package), name)

    return getattr_of_package
