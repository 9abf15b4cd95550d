"""What an observer promises."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from seqlab.contracts import offered
from seqlab.hookspecs import EVENTS
from seqlab.packing import pack
from seqlab.testing.process_state import changes, settings_of_others
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.run_events import (
    STATUSES,
    epoch_events,
    notify,
    run_ended,
    run_folder,
    run_started,
    step_interval,
    whole_run,
)
from seqlab.testing.saving import saved_and_loaded

FAR = 1_000_000  # steps between two epochs
GRACE = 2  # seconds


def observer_has_an_event(subject: Subject) -> None:
    """It has a method named as an event, and none that is named as an event which does not exist.

    A method whose name is misspelt would never be called, and nobody would say so.
    """
    with run_folder():
        observer = subject.build()
        named = {name for name in dir(observer) if name.startswith("seqlab_")}
    known = ", ".join(sorted(EVENTS))
    expect(bool(named), f"a method for one of these events: {known}", "none")
    expect(named <= EVENTS, f"only names of these events: {known}", ", ".join(named - EVENTS))
    dead = [name for name in named if not callable(getattr(observer, name))]
    expect(not dead, "a method for each event", f"not to be called: {', '.join(dead)}")


def step_interval_counts_steps(subject: Subject) -> None:
    """`step_interval`, where an observer has it, is an int of at least 1."""
    with run_folder():
        observer = subject.build()
        if offered(observer, "step_interval") is None:
            raise NotApplicable("it has no `step_interval`, which is then 1")
        step_interval(observer)


def every_record_is_survived(subject: Subject) -> None:
    """No record of a run makes it raise: not None, infinity, or text of any kind."""
    for status in STATUSES:
        with run_folder() as folder:
            observer = subject.build()
            notify(observer, whole_run(folder, step_interval(observer), status))
    with run_folder() as folder:
        observer = subject.build()
        notify(observer, whole_run(folder, step_interval(observer) * FAR))  # as in a long run


def run_may_end_at_any_time(subject: Subject) -> None:
    """`seqlab_run_ended` may come after any event: at once, or first, where a run fails early."""
    with run_folder() as folder:
        length = len([run_started(folder), *epoch_events(folder, 1, [1])])
    for cut in range(length + 1):
        with run_folder() as folder:
            observer = subject.build()
            events = [run_started(folder), *epoch_events(folder, step_interval(observer), [1])][
                :cut
            ]
            notify(observer, [*events, run_ended(folder, STATUSES[cut % len(STATUSES)])])
    with run_folder() as folder:
        notify(subject.build(), [run_started(folder, total=0), run_ended(folder)])


def resumed_run_is_survived(subject: Subject) -> None:
    """It goes on in a folder where it was before, and joins a run that others began."""
    for joins in (False, True):
        with run_folder() as folder:
            observer = subject.build()
            interval = step_interval(observer)
            if not joins:
                observer = _resumed(subject, observer, folder)
            started = run_started(folder, step=2 * interval)
            epochs = epoch_events(folder, interval, range(3, 6))
            notify(observer, [started, *epochs, run_ended(folder, step=5 * interval)])


def _resumed(subject: Subject, observer: Any, folder: Path) -> Any:
    """Another observer in the folder of a run that was interrupted after its checkpoint."""
    interval = step_interval(observer)
    notify(observer, [run_started(folder), *epoch_events(folder, interval, [1, 2])])
    state = _saved(observer)
    notify(observer, [*epoch_events(folder, interval, [3]), run_ended(folder, "interrupted")])
    another = subject.build()
    if state is not None:
        another.load_state_dict(state)
    return another


def _saved(observer: Any) -> Any:
    return saved_and_loaded(observer.state_dict()) if offered(observer, "state_dict") else None


def saved_observer_goes_on(subject: Subject) -> None:
    """A `state_dict`, if it has one, can be saved at any time, and is restored by loading."""
    with run_folder() as folder:
        observer = subject.build()
        if offered(observer, "state_dict") is None:
            raise NotApplicable("it has no `state_dict`, and need not have it")
        _state_text(observer)  # a run tries to save before it begins
        interval = step_interval(observer)
        notify(observer, [run_started(folder), *epoch_events(folder, interval, [1, 2])])
        expected, state = _state_text(observer), _saved(observer)
        notify(observer, [run_ended(folder, "interrupted")])
        another = subject.build()
        another.load_state_dict(state)
        notify(another, [run_started(folder, step=2 * interval)])
        actual = _state_text(another)
        notify(another, [run_ended(folder)])
    expect(actual == expected, f"the state that was loaded: {expected[:200]}", actual[:200])


def _state_text(observer: Any) -> str:
    """The state of an observer as a checkpoint has it, as text."""
    tensors: dict[str, Tensor] = {}
    packed = pack(observer.state_dict(), "observer", tensors)
    return f"{json.dumps(packed)} {[tensor.tolist() for tensor in tensors.values()] or ''}"


def observing_draws_nothing(subject: Subject) -> None:
    """Global random states are left alone, or the run would be another with the observer."""
    with run_folder() as folder, random_states_left_alone():
        observer = subject.build()
        notify(observer, whole_run(folder, step_interval(observer)))


def settings_are_left_alone(subject: Subject) -> None:
    """Global settings, such as torch's default dtype or filters of warnings, stay as they are."""
    for _ in range(2):  # in the first run it may import what it needs
        with run_folder() as folder:
            observer, before = subject.build(), settings_of_others()
            changed: dict[str, str] = {}

            def compare(event: str, before: Any = before, changed: Any = changed) -> None:
                for change in changes(before, settings_of_others()):
                    changed.setdefault(change, event)

            notify(observer, whole_run(folder, step_interval(observer)), compare)
    seen = ", ".join(f"{change} in {event}" for change, event in changed.items())
    expect(not changed, "settings of the process to be left alone", seen)


def nothing_goes_on_after_the_end(subject: Subject) -> None:
    """When `seqlab_run_ended` is over, every thread that it started ends."""
    before = set(threading.enumerate())
    with run_folder() as folder:
        observer = subject.build()
        notify(observer, whole_run(folder, step_interval(observer)))
        started = [thread for thread in threading.enumerate() if thread not in before]
        deadline = time.monotonic() + GRACE
        for thread in started:
            thread.join(max(deadline - time.monotonic(), 0))
    going = [thread.name for thread in started if thread.is_alive()]
    expect(not going, f"no thread {GRACE} seconds after the end of a run", ", ".join(going))


def files_appear_only_in_the_run_folder(subject: Subject) -> None:
    """The working folder stays the same, and nothing is written there beside the run's folder."""
    with run_folder() as folder:
        before, observer = Path.cwd(), subject.build()
        notify(observer, whole_run(folder, step_interval(observer)))
        expect(Path.cwd() == before, "the working folder to stay the same", Path.cwd())
        outside = [path for path in Path().rglob("*") if not path.is_relative_to(folder)]
        beside = [str(path) for path in outside if path not in folder.parents]
        expect(not beside, "files only in `RunStarted.folder`", ", ".join(beside))


def records_are_left_as_they_are(subject: Subject) -> None:
    """A record, which others are told after it, is not changed."""
    with run_folder() as folder:
        observer = subject.build()
        events = whole_run(folder, step_interval(observer))
        before = [str(record) for _, record in events]
        notify(observer, events)
    for (name, record), old in zip(events, before, strict=True):
        expect(str(record) == old, f"the record of {name} as it was: {old[:300]}", record)
