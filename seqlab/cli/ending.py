"""How a run ended, for the command that ran it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from seqlab.distributed.launched import is_follower
from seqlab.errors import RunFailed

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run

log = logging.getLogger(__name__)


def strict_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that makes a failure of a doubtful run."""
    help_text = "Exit with 1 if the run ends with a doubt (`doubt` in run.json)."
    return click.option("--strict", is_flag=True, help=help_text)(command)


def say_where(run: Run) -> None:
    """Log where a run is, and which observers were switched off; on its first process."""
    if is_follower():
        return
    log.info("The run is in %s", run.path)
    for failure in run.description.get("observer_failures", []):
        log.warning("%s (it was switched off)", failure)


def fail_if_doubtful(*runs: Run) -> None:
    """Raise RunFailed for the first run with a doubt, which was told at its end."""
    for run in runs:
        if run.description.get("doubt"):
            raise RunFailed(f"{run.path}: ended with a doubt, which is an error with --strict")
