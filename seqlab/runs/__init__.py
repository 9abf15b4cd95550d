"""Runs: how one is made, where it lies, how it is opened again."""

from seqlab.runs.opened import Run, open_run
from seqlab.runs.running import run

__all__ = ["Run", "open_run", "run"]
