"""Plugins in -> bound factories out."""

from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import Registry
from seqlab.registry.loading import load_plugins
from seqlab.registry.resolving import Resolved, Text, resolve, resolve_partially, resolve_text

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
