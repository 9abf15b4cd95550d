"""Plugins in -> bound factories out."""

from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import Registry
from seqlab.registry.loading import load_plugins
from seqlab.registry.resolving import Resolved, resolve

__all__ = ["Bound", "Registry", "Resolved", "load_plugins", "resolve"]
