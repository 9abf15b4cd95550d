"""Send events to observers; one that raises is switched off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from seqlab.contracts import offered
from seqlab.errors import Override, PluginError
from seqlab.hookspecs import EVENTS
from seqlab.interrupts import reraise_interrupt
from seqlab.records import Record, StepEnded, Stop
from seqlab.registry import Bound
from seqlab.registry.error_summary import reason
from seqlab.runs.trial import Pruned, Trial

log = logging.getLogger(__name__)

SWEEP = ":sweep"  # the key of what a sweep adds


class Observers:
    """The observers of a run, in the order of the experiment; then that of a sweep, if any."""

    def __init__(self, bound: Sequence[Bound], trial: Trial | None = None) -> None:
        self._bound = {f"{i}:{b.component.name}": b for i, b in enumerate(bound)}
        self._observers = {name: _build(b) for name, b in self._bound.items()}
        if trial is not None and trial.watcher is not None:
            self._observers[SWEEP] = trial.watcher
        self.failures: list[str] = []
        self.stopped_by = ""  # which observer asked for the end, and why
        self.pruned = False

    def state_dict(self) -> dict[str, Any]:
        """Return the states of those observers that have one."""
        states = {}
        for name, state_dict in self._methods("state_dict"):
            with self._switched_off_if_it_fails(name):
                states[name] = state_dict()
        return states

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the states of those observers that are still there."""
        for name in state.keys() & self._observers.keys():
            try:
                self._observers[name].load_state_dict(state[name])
            except BaseException as error:
                reraise_interrupt(error)
                raise PluginError(
                    f"{self._bound[name].component} does not take its state from the checkpoint"
                    f" ({type(error).__name__}: {error}); to resume without observers:"
                    f" {Override('observers=[]')}"
                ) from error

    def notify(self, event: str, record: Record) -> None:
        """Call the method of an event on each observer that has it."""
        for name, method in self._methods(event):
            with self._switched_off_if_it_fails(name):
                self._take(method(record), name)

    def step_ended(self, step: int, record: Callable[[bool], StepEnded]) -> None:
        """Call those observers whose interval falls on this step; others need no record.

        `record` makes one, with or without norms.
        """
        for name, method in self._due(step):
            with self._switched_off_if_it_fails(name):
                self._take(method(record(self._wants_norms(name))), name)

    def want_norms(self, step: int) -> bool:
        """Whether an observer that is called for a step asks for its norms."""
        return any(self._wants_norms(name) for name, _ in self._due(step))

    def _wants_norms(self, name: str) -> bool:
        return bool(offered(self._observers[name], "wants_norms"))

    def _due(self, step: int) -> Iterator[tuple[str, Any]]:
        for name, method in self._methods("seqlab_step_ended"):
            interval = offered(self._observers[name], "step_interval")
            if step % (1 if interval is None else interval) == 0:
                yield name, method

    def _take(self, returned: Any, name: str) -> None:
        """Note that an observer asks for the end of the run; the first one counts."""
        if not isinstance(returned, Stop) or self.stopped_by:
            return
        self.pruned = isinstance(returned, Pruned)
        if self.pruned:
            self.stopped_by = returned.reason
        else:
            self.stopped_by = f"observer '{name.partition(':')[2]}': {returned.reason}"

    def _methods(self, name: str) -> list[tuple[str, Any]]:
        methods = [(key, offered(observer, name)) for key, observer in self._observers.items()]
        return [(key, method) for key, method in methods if method is not None]

    @contextmanager
    def _switched_off_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # an observer may call sys.exit
            reraise_interrupt(error)
            message = f"observer '{name.partition(':')[2]}' failed: {reason(error)}"
            self.failures.append(message)
            log.warning("%s; it is switched off", message)
            del self._observers[name]


def _build(bound: Bound) -> Any:
    observer = bound.build()
    if not any(offered(observer, event) for event in EVENTS):
        raise PluginError(
            f"{bound.component} has no method named as an event, so it would receive none; the"
            f" events are: {', '.join(sorted(EVENTS))}"
        )
    if offered(observer, "state_dict") and not offered(observer, "load_state_dict"):
        raise PluginError(
            f"{bound.component} has `state_dict` but no `load_state_dict`, so a run with it could"
            " not be resumed"
        )
    return observer
