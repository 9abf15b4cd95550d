"""How launched processes ended, in files that their launcher reads: who said what, and when."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from seqlab.distributed.launched import Launched
from seqlab.distributed.wishes import SIGNALS

FOLDER = "SEQLAB_LAUNCH"
"""The variable with the folder of these files; without it, a process tells its user itself."""

BY_SIGNAL = {128 + number for number in SIGNALS}
"""Exit codes of a run that was saved; whoever launched it is not to start it again."""


@dataclass(frozen=True)
class Outcome:
    """How one process ended.

    Args:
        rank: of the process.
        attempt: in which.
        code: its exit code.
        lines: what it said.
        lost: which other one did not answer, if it ended because of that.
        time: when, in seconds of Unix time.
    """

    rank: int
    attempt: int
    code: int
    lines: Sequence[str]
    lost: int | None
    time: float


def folder_of_launch(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return where outcomes are written; None: nowhere."""
    return Path(environment[FOLDER]) if FOLDER in environment else None


def write_outcome(
    folder: Path, here: Launched, code: int, lines: Sequence[str], lost: int | None = None
) -> None:
    """Say how this process ends."""
    outcome = Outcome(here.rank, here.attempt, code, list(lines), lost, time.time())
    path = folder / f"{here.attempt}-{here.rank}.json"
    path.with_suffix(".new").write_text(json.dumps(asdict(outcome)), "utf-8")
    path.with_suffix(".new").rename(path)


def write_beginning(folder: Path, here: Launched) -> None:
    """Say that an attempt has begun, so that earlier outcomes no longer count."""
    (folder / f"{here.attempt}.begun").touch()


def read_outcomes(folder: Path) -> list[Outcome]:
    """Return the outcomes of the last attempt, by time."""
    outcomes = [Outcome(**json.loads(path.read_bytes())) for path in folder.glob("*.json")]
    last = max((int(path.stem) for path in folder.glob("*.begun")), default=0)
    of_last = [outcome for outcome in outcomes if outcome.attempt == last]
    return sorted(of_last, key=lambda outcome: outcome.time)


def exit_code_of_worker(code: int) -> int:
    """Return what a launched process exits with: its launcher starts failed ones again."""
    return 0 if code in BY_SIGNAL and folder_of_launch() is not None else code
