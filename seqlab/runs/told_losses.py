"""What is told of the loss of an evaluation: a schedule that waits for it, an optimizer too."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from seqlab.contracts import offered
from seqlab.runs.building import Parts
from seqlab.training.schedules import wants_metric


def tell(parts: Parts, loss: float) -> None:
    """Tell schedule and optimizer the loss of an evaluation, on all processes; the first has it."""
    listeners = _listeners(parts)
    if listeners:
        parts.training.world.order("hear")
        hear(parts, loss)


def hear(parts: Parts, loss: float | None = None) -> None:
    """Be told the loss that the first process has; None: this is another one."""
    own = b"" if loss is None else struct.pack("d", loss)
    (loss,) = struct.unpack("d", parts.training.world.give_bytes(own))
    for listener in _listeners(parts):
        listener(loss)


def _listeners(parts: Parts) -> list[Callable[[float], Any]]:
    schedule: Any = parts.schedule
    own = schedule.step if wants_metric(schedule) else None
    return [each for each in (own, offered(parts.training.optimizer, "evaluated")) if each]
