"""What is wrong with a part that a factory made, beyond the methods of its contract.

A function for each kind whose parts have a type of torch; it ends a sentence about the component.
"""

from __future__ import annotations

import inspect
from typing import Any


def cell_problem(cell: Any) -> str:
    """A cell is an `nn.Module` with an `output_size` and `forward(inputs, state)`."""
    from torch import nn

    if not isinstance(cell, nn.Module):
        return _of_type(cell, "Module")
    if not isinstance(getattr(cell, "output_size", None), int):
        return "should have an integer `output_size`"
    try:
        if type(cell).forward is nn.Module.forward:
            raise TypeError("it has none")
        inspect.signature(cell.forward).bind("inputs", "state")
    except TypeError as error:
        return f"should have forward(inputs, state): {error}"
    return ""


def optimizer_problem(optimizer: Any) -> str:
    """An optimizer is one of torch's classes."""
    from torch.optim import Optimizer

    return "" if isinstance(optimizer, Optimizer) else _of_type(optimizer, "Optimizer")


def schedule_problem(schedule: Any) -> str:
    """A schedule is one of torch's classes."""
    from torch.optim.lr_scheduler import LRScheduler

    return "" if isinstance(schedule, LRScheduler) else _of_type(schedule, "LRScheduler")


def _of_type(part: Any, expected: str) -> str:
    return f"should be a {expected}; it is a {type(part).__name__}"
