"""What an observer promises."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from seqlab.interrupts import reraise_interrupt
from seqlab.packing import pack
from seqlab.records import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    Record,
    RunEnded,
    RunStarted,
    StepEnded,
    TextGenerated,
)
from seqlab.registry.kinds import EVENTS
from seqlab.testing.optimizers import saved_and_loaded
from seqlab.testing.promises import Broken, Check, NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone

NAN, INFINITY = math.nan, math.inf
Values = dict[str, float | None]
Told = tuple[str, Record]

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
STATUSES = ("finished", "interrupted", "failed")


@contextmanager
def _somewhere() -> Iterator[Path]:
    """A run's folder below an empty working folder; what is printed is kept from everyone."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as place,
        chdir(place),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        folder = Path("runs", "check")  # as a run has it: not absolute
        folder.mkdir(parents=True)
        yield folder


def _interval(observer: Any) -> int:
    interval = getattr(observer, "step_interval", 1)
    whole = type(interval) is int and interval >= 1
    expect(whole, "a `step_interval` that is an int of at least 1", repr(interval))
    return int(interval)


def _begin(folder: Path, *, step: int = 0, total: int = 100) -> Told:
    epochs = -(-total // 10)
    return "seqlab_run_started", RunStarted("check", str(folder), step, total, 10, epochs, 9, 0)


def _end(folder: Path, status: str = "finished", *, step: int = 0) -> Told:
    return "seqlab_run_ended", RunEnded(status, step, str(folder), 0.0)


def _epoch(folder: Path, epoch: int, interval: int, measures: Values) -> list[Told]:
    """What is told of one epoch, in the order in which the core tells it."""
    step = epoch * interval
    common: dict[str, Any] = {"step": step, "epoch": epoch, "split": "train", **measures}
    norm, loss, lr, seconds = (common[key] for key in ("gradient_norm", "loss", "lr", "seconds"))
    path = folder / "checkpoints" / f"step-{step:08d}"
    path.mkdir(parents=True, exist_ok=True)  # a checkpoint is told of when it is on disk
    norm = NAN if norm is None else norm
    taken = StepEnded(step, epoch, loss, norm, lr, int(common["tokens"]), seconds)
    texts = [TextGenerated(step, epoch, text[:3] or "a", text) for text in TEXTS]
    return [
        ("seqlab_step_ended", taken),
        ("seqlab_epoch_ended", EpochEnded(**common)),
        *(("seqlab_text_generated", text) for text in texts),
        ("seqlab_evaluated", Evaluated(**common | {"split": "valid", "gradient_norm": None})),
        ("seqlab_checkpoint_saved", CheckpointSaved(step, str(path))),
    ]


def _epochs(folder: Path, interval: int, epochs: Iterable[int]) -> list[Told]:
    found: list[Told] = []
    for epoch in epochs:
        found += _epoch(folder, epoch, interval, MEASURES[(epoch - 1) % len(MEASURES)])
    return found


def _story(folder: Path, interval: int, status: str = "finished") -> list[Told]:
    """A whole run, with ordinary and with extreme values."""
    last = len(MEASURES)
    told = _epochs(folder, interval, range(1, last + 1))
    return [_begin(folder), *told, _end(folder, status, step=last * interval)]


def _tell(observer: Any, story: Iterable[Told]) -> None:
    for event, record in story:
        method = getattr(observer, event, None)
        if method is None:
            continue
        try:
            method(record)
        except BaseException as error:
            reraise_interrupt(error)
            said = f"{type(error).__name__}: {error}"
            raise Broken(f"{event} to survive {str(record)[:300]}", said) from error


def observer_has_an_event(subject: Subject) -> None:
    """It has a method named as an event, and none that is named as an event which does not exist.

    A method whose name is misspelt would never be called, and nobody would say so.
    """
    with _somewhere():
        observer = subject.build()
        named = {name for name in dir(observer) if name.startswith("seqlab_")}
    known = ", ".join(sorted(EVENTS))
    expect(bool(named), f"a method for one of these events: {known}", "none")
    expect(named <= EVENTS, f"only names of these events: {known}", ", ".join(named - EVENTS))
    dead = [name for name in named if not callable(getattr(observer, name))]
    expect(not dead, "a method for each event", f"not to be called: {', '.join(dead)}")


def step_interval_counts_steps(subject: Subject) -> None:
    """`step_interval`, where an observer has it, is an int of at least 1."""
    with _somewhere():
        observer = subject.build()
        if not hasattr(observer, "step_interval"):
            raise NotApplicable("it has no `step_interval`, which is then 1")
        _interval(observer)


def every_record_is_survived(subject: Subject) -> None:
    """No record of a run makes it raise: not None, infinity, or text of any kind."""
    for status in STATUSES:
        with _somewhere() as folder:
            observer = subject.build()
            _tell(observer, _story(folder, _interval(observer), status))


def run_may_end_at_any_time(subject: Subject) -> None:
    """`seqlab_run_ended` may come after any event: at once, or first, where a run fails early."""
    with _somewhere() as folder:
        length = len([_begin(folder), *_epochs(folder, 1, [1])])
    for cut in range(length + 1):
        with _somewhere() as folder:
            observer = subject.build()
            told = [_begin(folder), *_epochs(folder, _interval(observer), [1])][:cut]
            _tell(observer, [*told, _end(folder, STATUSES[cut % len(STATUSES)])])
    with _somewhere() as folder:
        _tell(subject.build(), [_begin(folder, total=0), _end(folder)])


def resumed_run_is_survived(subject: Subject) -> None:
    """It goes on in a folder where it was before, and joins a run that others began."""
    for joins in (False, True):
        with _somewhere() as folder:
            observer = subject.build()
            interval = _interval(observer)
            if not joins:
                observer = _resumed(subject, observer, folder)
            begin = _begin(folder, step=2 * interval)
            told = _epochs(folder, interval, range(3, 6))
            _tell(observer, [begin, *told, _end(folder, step=5 * interval)])


def _resumed(subject: Subject, observer: Any, folder: Path) -> Any:
    """Another observer in the folder of a run that was interrupted after its checkpoint."""
    interval = _interval(observer)
    _tell(observer, [_begin(folder), *_epochs(folder, interval, [1, 2])])
    state = _saved(observer)
    _tell(observer, [*_epochs(folder, interval, [3]), _end(folder, "interrupted")])
    another = subject.build()
    if state is not None:
        another.load_state_dict(state)
    return another


def _saved(observer: Any) -> Any:
    return saved_and_loaded(observer.state_dict()) if hasattr(observer, "state_dict") else None


def saved_observer_goes_on(subject: Subject) -> None:
    """A `state_dict`, where it has one, can be saved at any time and is what is loaded."""
    with _somewhere() as folder:
        observer = subject.build()
        if not hasattr(observer, "state_dict"):
            raise NotApplicable("it has no `state_dict`, and need not have it")
        _written(observer)  # a run is seen to be one that can be saved before it begins
        interval = _interval(observer)
        _tell(observer, [_begin(folder), *_epochs(folder, interval, [1, 2])])
        wanted, state = _written(observer), _saved(observer)
        _tell(observer, [_end(folder, "interrupted")])
        another = subject.build()
        another.load_state_dict(state)
        _tell(another, [_begin(folder, step=2 * interval)])
        found = _written(another)
        _tell(another, [_end(folder)])
    expect(found == wanted, f"the state that was loaded: {wanted[:200]}", found[:200])


def _written(observer: Any) -> str:
    """The state of an observer as a checkpoint has it, in words."""
    tensors: dict[str, Tensor] = {}
    packed = pack(observer.state_dict(), "observer", tensors)
    return f"{json.dumps(packed)} {[tensor.tolist() for tensor in tensors.values()] or ''}"


def observing_draws_nothing(subject: Subject) -> None:
    """Global random states are left alone, or the run would be another with the observer."""
    with _somewhere() as folder, random_states_left_alone():
        observer = subject.build()
        _tell(observer, _story(folder, _interval(observer)))


def files_appear_only_in_the_run_folder(subject: Subject) -> None:
    """The working folder stays the same, and nothing is written there beside the run's folder."""
    with _somewhere() as folder:
        before, observer = Path.cwd(), subject.build()
        _tell(observer, _story(folder, _interval(observer)))
        expect(Path.cwd() == before, "the working folder to stay the same", Path.cwd())
        found = [path for path in Path().rglob("*") if not path.is_relative_to(folder)]
        beside = [str(path) for path in found if path not in folder.parents]
        expect(not beside, "files only in `RunStarted.folder`", ", ".join(beside))


def records_are_left_as_they_are(subject: Subject) -> None:
    """A record, which others are told after it, is not changed."""
    with _somewhere() as folder:
        observer = subject.build()
        story = _story(folder, _interval(observer))
        before = [str(record) for _, record in story]
        _tell(observer, story)
    for (event, record), old in zip(story, before, strict=True):
        expect(str(record) == old, f"the record of {event} as it was: {old[:300]}", record)


CHECKS: tuple[Check, ...] = (
    observer_has_an_event,
    step_interval_counts_steps,
    every_record_is_survived,
    run_may_end_at_any_time,
    resumed_run_is_survived,
    saved_observer_goes_on,
    observing_draws_nothing,
    files_appear_only_in_the_run_folder,
    records_are_left_as_they_are,
)
