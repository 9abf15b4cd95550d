"""What an observer promises."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from seqlab.contracts import offered
from seqlab.hookspecs import EVENTS
from seqlab.interrupts import reraise_interrupt
from seqlab.packing import pack
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
from seqlab.testing.promises import Broken, NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.saving import saved_and_loaded

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
STATUSES = ("finished", "interrupted", "failed", "stopped")


@contextmanager
def _run_folder() -> Iterator[Path]:
    """A run's folder below an empty working folder; what is printed is discarded."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        run = Path("runs", "check")  # relative, as in a run
        run.mkdir(parents=True)
        yield run


def _interval(observer: Any) -> int:
    interval = 1 if (value := offered(observer, "step_interval")) is None else value
    right = type(interval) is int and interval >= 1
    expect(right, "a `step_interval` that is an int of at least 1", repr(interval))
    return int(interval)


def _run_started(folder: Path, *, step: int = 0, total: int = 100) -> Event:
    epochs = -(-total // 10)
    return "seqlab_run_started", RunStarted("check", str(folder), step, total, 10, epochs, 9, 0)


def _run_ended(folder: Path, status: str = "finished", *, step: int = 0) -> Event:
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


def _epochs(folder: Path, interval: int, epochs: Iterable[int]) -> list[Event]:
    events: list[Event] = []
    for epoch in epochs:
        events += _epoch(folder, epoch, interval, MEASURES[(epoch - 1) % len(MEASURES)])
    return events


def _whole_run(folder: Path, interval: int, status: str = "finished") -> list[Event]:
    """A whole run, with ordinary and with extreme values."""
    last = len(MEASURES)
    epochs = _epochs(folder, interval, range(1, last + 1))
    return [_run_started(folder), *epochs, _run_ended(folder, status, step=last * interval)]


def _notify(observer: Any, events: Iterable[Event]) -> None:
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


def observer_has_an_event(subject: Subject) -> None:
    """It has a method named as an event, and none that is named as an event which does not exist.

    A method whose name is misspelt would never be called, and nobody would say so.
    """
    with _run_folder():
        observer = subject.build()
        named = {name for name in dir(observer) if name.startswith("seqlab_")}
    known = ", ".join(sorted(EVENTS))
    expect(bool(named), f"a method for one of these events: {known}", "none")
    expect(named <= EVENTS, f"only names of these events: {known}", ", ".join(named - EVENTS))
    dead = [name for name in named if not callable(getattr(observer, name))]
    expect(not dead, "a method for each event", f"not to be called: {', '.join(dead)}")


def step_interval_counts_steps(subject: Subject) -> None:
    """`step_interval`, where an observer has it, is an int of at least 1."""
    with _run_folder():
        observer = subject.build()
        if offered(observer, "step_interval") is None:
            raise NotApplicable("it has no `step_interval`, which is then 1")
        _interval(observer)


def every_record_is_survived(subject: Subject) -> None:
    """No record of a run makes it raise: not None, infinity, or text of any kind."""
    for status in STATUSES:
        with _run_folder() as folder:
            observer = subject.build()
            _notify(observer, _whole_run(folder, _interval(observer), status))


def run_may_end_at_any_time(subject: Subject) -> None:
    """`seqlab_run_ended` may come after any event: at once, or first, where a run fails early."""
    with _run_folder() as folder:
        length = len([_run_started(folder), *_epochs(folder, 1, [1])])
    for cut in range(length + 1):
        with _run_folder() as folder:
            observer = subject.build()
            events = [_run_started(folder), *_epochs(folder, _interval(observer), [1])][:cut]
            _notify(observer, [*events, _run_ended(folder, STATUSES[cut % len(STATUSES)])])
    with _run_folder() as folder:
        _notify(subject.build(), [_run_started(folder, total=0), _run_ended(folder)])


def resumed_run_is_survived(subject: Subject) -> None:
    """It goes on in a folder where it was before, and joins a run that others began."""
    for joins in (False, True):
        with _run_folder() as folder:
            observer = subject.build()
            interval = _interval(observer)
            if not joins:
                observer = _resumed(subject, observer, folder)
            started = _run_started(folder, step=2 * interval)
            epochs = _epochs(folder, interval, range(3, 6))
            _notify(observer, [started, *epochs, _run_ended(folder, step=5 * interval)])


def _resumed(subject: Subject, observer: Any, folder: Path) -> Any:
    """Another observer in the folder of a run that was interrupted after its checkpoint."""
    interval = _interval(observer)
    _notify(observer, [_run_started(folder), *_epochs(folder, interval, [1, 2])])
    state = _saved(observer)
    _notify(observer, [*_epochs(folder, interval, [3]), _run_ended(folder, "interrupted")])
    another = subject.build()
    if state is not None:
        another.load_state_dict(state)
    return another


def _saved(observer: Any) -> Any:
    return saved_and_loaded(observer.state_dict()) if offered(observer, "state_dict") else None


def saved_observer_goes_on(subject: Subject) -> None:
    """A `state_dict`, if it has one, can be saved at any time, and is restored by loading."""
    with _run_folder() as folder:
        observer = subject.build()
        if offered(observer, "state_dict") is None:
            raise NotApplicable("it has no `state_dict`, and need not have it")
        _state_text(observer)  # a run tries to save before it begins
        interval = _interval(observer)
        _notify(observer, [_run_started(folder), *_epochs(folder, interval, [1, 2])])
        expected, state = _state_text(observer), _saved(observer)
        _notify(observer, [_run_ended(folder, "interrupted")])
        another = subject.build()
        another.load_state_dict(state)
        _notify(another, [_run_started(folder, step=2 * interval)])
        actual = _state_text(another)
        _notify(another, [_run_ended(folder)])
    expect(actual == expected, f"the state that was loaded: {expected[:200]}", actual[:200])


def _state_text(observer: Any) -> str:
    """The state of an observer as a checkpoint has it, as text."""
    tensors: dict[str, Tensor] = {}
    packed = pack(observer.state_dict(), "observer", tensors)
    return f"{json.dumps(packed)} {[tensor.tolist() for tensor in tensors.values()] or ''}"


def observing_draws_nothing(subject: Subject) -> None:
    """Global random states are left alone, or the run would be another with the observer."""
    with _run_folder() as folder, random_states_left_alone():
        observer = subject.build()
        _notify(observer, _whole_run(folder, _interval(observer)))


def files_appear_only_in_the_run_folder(subject: Subject) -> None:
    """The working folder stays the same, and nothing is written there beside the run's folder."""
    with _run_folder() as folder:
        before, observer = Path.cwd(), subject.build()
        _notify(observer, _whole_run(folder, _interval(observer)))
        expect(Path.cwd() == before, "the working folder to stay the same", Path.cwd())
        outside = [path for path in Path().rglob("*") if not path.is_relative_to(folder)]
        beside = [str(path) for path in outside if path not in folder.parents]
        expect(not beside, "files only in `RunStarted.folder`", ", ".join(beside))


def records_are_left_as_they_are(subject: Subject) -> None:
    """A record, which others are told after it, is not changed."""
    with _run_folder() as folder:
        observer = subject.build()
        events = _whole_run(folder, _interval(observer))
        before = [str(record) for _, record in events]
        _notify(observer, events)
    for (name, record), old in zip(events, before, strict=True):
        expect(str(record) == old, f"the record of {name} as it was: {old[:300]}", record)
