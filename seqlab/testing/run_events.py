"""The events of a run, made up for an observer, and a folder for it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seqlab.contracts import offered
from seqlab.interrupts import reraise_interrupt
from seqlab.records import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    Norms,
    Record,
    RunEnded,
    RunStarted,
    StepEnded,
    TextGenerated,
)
from seqlab.testing.process_state import settings_restored
from seqlab.testing.promises import Broken, expect

NAN, INFINITY = math.nan, math.inf
Values = dict[str, float | None]
Event = tuple[str, Record]

ORDINARY: Values = {
    "loss": 1.5,
    "perplexity": math.exp(1.5),
    "bits_per_character": 2.1,
    "bits_per_byte": 0.7,
    "accuracy": 0.5,
    "tokens": 640.0,
    "lr": 1e-3,
    "gradient_norm": 0.8,
    "seconds": 0.25,
    "tokens_per_second": 2560.0,
    "unknown": 0.0,
}
UNKNOWN: Values = dict.fromkeys(
    ("perplexity", "bits_per_character", "bits_per_byte", "accuracy", "gradient_norm", "unknown")
)
NOTHING: Values = dict.fromkeys(("tokens", "lr", "seconds", "tokens_per_second"), 0.0)
MEASURES: tuple[Values, ...] = (
    ORDINARY,
    ORDINARY | {"loss": 1e4, "perplexity": None, "accuracy": None, "gradient_norm": None},
    ORDINARY | {"gradient_norm": INFINITY},
    ORDINARY | UNKNOWN | {"loss": INFINITY, "perplexity": INFINITY, "gradient_norm": NAN},
    ORDINARY | UNKNOWN | NOTHING | {"loss": NAN, "perplexity": NAN, "gradient_norm": 0.0},
)
TEXTS = (
    "the quick brown fox",
    "",
    "two\nlines\r\n\tand a tab",
    "分开不了口 🎸 e\u0301 \ufffd",
    "[bold]no markup[/nor] {this} %s <b>&amp;",
    "\x00\x1b[31m\u2028",
    "long " * 2000,
)
NORMS = {"layers.0.weight": Norms(3.0, 0.1, 1e-3), "head.bias": Norms(0.0, NAN, INFINITY)}
STATUSES = ("finished", "interrupted", "failed", "stopped", "pruned")


@contextmanager
def run_folder() -> Iterator[Path]:
    """A run's folder below an empty working folder; what is printed is discarded."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        settings_restored(),
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        run = Path("runs", "check")  # relative, as in a run
        run.mkdir(parents=True)
        yield run


def step_interval(observer: Any) -> int:
    interval = 1 if (value := offered(observer, "step_interval")) is None else value
    right = type(interval) is int and interval >= 1
    expect(right, "a `step_interval` that is an int of at least 1", repr(interval))
    return int(interval)


def run_started(folder: Path, *, step: int = 0, total: int = 100) -> Event:
    epochs = -(-total // 10)
    return "seqlab_run_started", RunStarted("check", str(folder), step, total, 10, epochs, 9, 0)


def run_ended(folder: Path, status: str = "finished", *, step: int = 0) -> Event:
    return "seqlab_run_ended", RunEnded(status, step, str(folder), 0.0)


def _epoch(folder: Path, epoch: int, interval: int, measures: Values) -> list[Event]:
    """The events of one epoch, in the order of the core."""
    step = epoch * interval
    common: dict[str, Any] = {"step": step, "epoch": epoch, "split": "train", **measures}
    norm, loss, lr, seconds = (common[key] for key in ("gradient_norm", "loss", "lr", "seconds"))
    path = folder / "checkpoints" / f"step-{step:08d}"
    path.mkdir(parents=True, exist_ok=True)  # the event comes when it is on disk
    norm = NAN if norm is None else norm
    step_ended = StepEnded(step, epoch, loss, norm, lr, int(common["tokens"]), seconds)
    texts = [TextGenerated(step, epoch, text[:3] or "a", text) for text in TEXTS]
    return [
        ("seqlab_step_ended", step_ended),
        ("seqlab_epoch_ended", EpochEnded(**common)),
        *(("seqlab_text_generated", text) for text in texts),
        ("seqlab_evaluated", Evaluated(**common | {"split": "valid", "gradient_norm": None})),
        ("seqlab_checkpoint_saved", CheckpointSaved(step, str(path))),
    ]


def epoch_events(folder: Path, interval: int, epochs: Iterable[int]) -> list[Event]:
    events: list[Event] = []
    for epoch in epochs:
        events += _epoch(folder, epoch, interval, MEASURES[(epoch - 1) % len(MEASURES)])
    return events


def whole_run(folder: Path, interval: int, status: str = "finished") -> list[Event]:
    """A whole run, with ordinary and with extreme values."""
    last = len(MEASURES)
    epochs = epoch_events(folder, interval, range(1, last + 1))
    return [run_started(folder), *epochs, run_ended(folder, status, step=last * interval)]


def notify(
    observer: Any, events: Iterable[Event], after_each: Callable[[str], None] | None = None
) -> None:
    """Tell an observer what it has a method for; `after_each` is called with the event's name."""
    for name, record in events:
        method = offered(observer, name)
        if method is None:
            continue
        if isinstance(record, StepEnded) and offered(observer, "wants_norms"):
            record = replace(record, norms=NORMS)
        try:
            method(record)
        except BaseException as error:
            reraise_interrupt(error)
            seen = f"{type(error).__name__}: {error}"
            raise Broken(f"{name} to survive {str(record)[:300]}", seen) from error
        if after_each is not None:
            after_each(name)
