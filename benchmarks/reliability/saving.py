"""What saving every thirty seconds costs `jay_rnn`."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import seqlab
from benchmarks.reliability.outcome import Outcome, scaled
from benchmarks.reliability.small import quietly
from seqlab.runs.session import Session

EPOCHS = 250
SAVES = 40
INTERVAL = 30  # seconds
BAR = 0.02
JAY_RNN = Path(__file__).resolve().parents[2] / "experiments" / "jay_rnn.yaml"


def check(share: float) -> Outcome:
    run, saves = _timed(scaled(EPOCHS, share, least=2), "0.5 minutes")
    _, often = _timed(scaled(SAVES, share, least=3), "1 epoch")
    seconds = sum(row["seconds"] for row in run.metrics)
    typical = statistics.median(often)
    part = typical / INTERVAL
    return Outcome(
        "saving every 30 s, `jay_rnn`",
        f"{part:.2%} of training time: a save takes {typical * 1000:.0f} ms (median of"
        f" {len(often)}, at most {max(often) * 1000:.0f}); {len(saves)} saves in {seconds:.0f} s of"
        f" training on {run.description['corpus']['name']}",
        [f"{part:.2%} of training time"] if part > BAR else [],
    )


def _timed(epochs: int, every: str) -> tuple[seqlab.Run, list[float]]:
    """Run, and return how long each of its saves held up the training."""
    taken: list[float] = []
    overrides = [f"train.epochs={epochs}", f"train.checkpoint.every={every}"]
    folder = Path(tempfile.mkdtemp())
    with mock.patch.object(Session, "_save", _timing(Session._save, taken)), quietly():
        run = seqlab.run(JAY_RNN, overrides=overrides, run_dir=folder / "run")
    return run, taken


def _timing(save: Callable[[Session], None], taken: list[float]) -> Callable[[Session], None]:
    def timed(session: Any) -> None:
        begun = time.perf_counter()
        save(session)
        taken.append(time.perf_counter() - begun)

    return timed
