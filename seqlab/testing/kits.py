"""Which checks a kind of component has."""

from __future__ import annotations

from importlib import import_module

from seqlab.registry.kinds import KINDS
from seqlab.testing.promises import Check


def checks_of(kind: str) -> tuple[Check, ...]:
    """Every check of a kind: those of its registration first."""
    modules = (
        import_module("seqlab.testing.registration"),
        import_module(f"seqlab.testing.{KINDS[kind].plural}"),
    )
    return tuple(check for module in modules for check in module.CHECKS)
