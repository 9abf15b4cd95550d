"""Plugins in -> bound factories out."""

from seqlab.registry.catalogue import Registry
from seqlab.registry.loading import load_plugins
from seqlab.registry.resolving import Bound, Resolved, resolve

__all__ = ["Bound", "Registry", "Resolved", "load_plugins", "resolve"]
