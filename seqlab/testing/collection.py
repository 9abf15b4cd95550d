"""Which checks a kind of component has."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType

from seqlab.experiment.kinds import KINDS, Kind
from seqlab.testing.promises import Check


def checks_of(kind: str | Kind) -> tuple[Check, ...]:
    """Every check of a kind, first those that every component has."""
    from seqlab.testing import registration

    module = (KINDS[kind] if isinstance(kind, str) else kind).checks
    return *checks_in(registration), *(checks_in(import_module(module)) if module else ())


def checks_in(module: ModuleType) -> tuple[Check, ...]:
    """Every public function that a module defines, or the modules in `MODULES` of a package."""
    return tuple(
        value
        for part in getattr(module, "MODULES", (module,))
        for name, value in vars(part).items()
        if inspect.isfunction(value) and value.__module__ == part.__name__ and name[0] != "_"
    )
