"""An observer that asks the run to stop, as Ctrl-C or a batch system would."""

from __future__ import annotations

import signal

import seqlab
from seqlab.records import StepEnded


class Interrupting:
    """Sends SIGTERM to the process that trains.

    Args:
        after: the step after which it comes.
    """

    def __init__(self, *, after: int) -> None:
        self.after = after

    def seqlab_step_ended(self, record: StepEnded) -> None:
        if record.step == self.after:
            signal.raise_signal(signal.SIGTERM)


@seqlab.hookimpl
def seqlab_register_observers() -> dict[str, type[seqlab.Observer]]:
    return {"interrupting": Interrupting}
