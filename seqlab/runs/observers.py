"""Events out to observers; one that raises is named and switched off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from seqlab.errors import PluginError
from seqlab.interrupts import reraise_interrupt
from seqlab.records import Record, StepEnded
from seqlab.registry import Bound
from seqlab.registry.error_summary import reason
from seqlab.registry.kinds import EVENTS

log = logging.getLogger(__name__)


class Observers:
    """The observers of one run, in the order of the experiment.

    Raises:
        PluginError: one cannot be built, or could be saved but never be loaded again.
    """

    def __init__(self, bound: Sequence[Bound]) -> None:
        self._bound = {f"{i}:{b.component.name}": b for i, b in enumerate(bound)}
        self._observers = {name: _build(b) for name, b in self._bound.items()}
        self.failures: list[str] = []

    def state_dict(self) -> dict[str, Any]:
        """The states of those observers that have one, and can say it."""
        states = {}
        for name, observer in list(self._observers.items()):
            if hasattr(observer, "state_dict"):
                with self._switched_off_if_it_fails(name):
                    states[name] = observer.state_dict()
        return states

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give their states back to those who are still there.

        Raises:
            PluginError: one does not take its state.
        """
        for name in state.keys() & self._observers.keys():
            try:
                self._observers[name].load_state_dict(state[name])
            except BaseException as error:
                reraise_interrupt(error)
                raise PluginError(
                    f"{self._bound[name].component} does not take the state that the checkpoint has"
                    f" of it ({type(error).__name__}: {error}); --set observers=[] goes on without"
                ) from error

    def tell(self, event: str, record: Record) -> None:
        """Call the method named as the event on everyone who has it."""
        for name, observer in list(self._observers.items()):
            method = getattr(observer, event, None)
            if method is not None:
                self._call(name, method, record)

    def step_ended(self, step: int, record: Callable[[], StepEnded]) -> None:
        """Tell a step to those whose interval it falls on; nobody asks: it is never measured."""
        for name, observer in list(self._observers.items()):
            method = getattr(observer, "seqlab_step_ended", None)
            if method is not None and step % getattr(observer, "step_interval", 1) == 0:
                self._call(name, method, record())

    def _call(self, name: str, method: Any, record: Record) -> None:
        with self._switched_off_if_it_fails(name):
            method(record)

    @contextmanager
    def _switched_off_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # an observer may call sys.exit
            reraise_interrupt(error)
            said = f"observer '{name.partition(':')[2]}' failed: {reason(error)}"
            self.failures.append(said)
            log.warning("%s; it is switched off", said)
            del self._observers[name]


def _build(bound: Bound) -> Any:
    observer = bound.build()
    if not any(hasattr(observer, event) for event in EVENTS):
        raise PluginError(
            f"{bound.component} has no method named as an event, so it would hear nothing; the"
            f" events are: {', '.join(sorted(EVENTS))}"
        )
    if hasattr(observer, "state_dict") and not hasattr(observer, "load_state_dict"):
        raise PluginError(
            f"{bound.component} has `state_dict` and no `load_state_dict`, so a run with it could"
            " not be resumed"
        )
    return observer
