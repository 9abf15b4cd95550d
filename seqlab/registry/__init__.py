"""Plugins in -> bound factories out.

The names below are loaded when they are first used: to list what is known takes few of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqlab.registry.binding import Bound
    from seqlab.registry.catalogue import Registry
    from seqlab.registry.loading import load_plugins
    from seqlab.registry.resolving import (
        Resolved,
        Text,
        resolve,
        resolve_partially,
        resolve_text,
    )

__all__ = [
    "Bound",
    "Registry",
    "Resolved",
    "Text",
    "load_plugins",
    "resolve",
    "resolve_partially",
    "resolve_text",
]
_HOMES = {"Bound": "binding", "Registry": "catalogue", "load_plugins": "loading"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'seqlab.registry' has no attribute {name!r}")
    value = getattr(import_module(f"seqlab.registry.{_HOMES.get(name, 'resolving')}"), name)
    globals()[name] = value
    return value
