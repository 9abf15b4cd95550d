"""What is told of a run."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Receives events. Factory: `(*, options)`.

    It has one or more methods named as the events of `seqlab.hookspecs`, such as
    `seqlab_epoch_ended(self, record)`. It gets frozen records, never the model, so it cannot change
    a result. An event may return `seqlab.Stop(reason)`: the run is saved and ends, as `stopped`.
    Optional: `step_interval: int` (default 1), the steps between two `seqlab_step_ended`;
    `wants_norms: bool` (default False), to have `norms` in their records;
    `state_dict() -> Any` and `load_state_dict(state: Any) -> None`, to remember across a resume.
    """
