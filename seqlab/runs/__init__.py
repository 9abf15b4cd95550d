"""Folders of runs: made, recorded, resumed, opened; `seqlab.runs()` finds them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqlab.runs.several import Runs, Which


class _CallableRoom(ModuleType):
    """This package, which is a function too: `seqlab.runs` is both."""

    def __call__(self, pattern: Which | None = None, root: str | Path = "runs") -> Runs:
        """Return runs, the oldest first; `seqlab.runs.several.runs` says what the arguments are."""
        from seqlab.runs.several import runs

        return runs(pattern, root)


sys.modules[__name__].__class__ = _CallableRoom
