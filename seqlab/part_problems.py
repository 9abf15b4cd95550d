"""What is wrong with a part that a factory made, beyond the methods of its contract.

A function for each kind whose parts have a type of torch; it ends a sentence about the component.
"""

from __future__ import annotations

import inspect
from typing import Any


def cell_problem(cell: Any) -> str:
    """A cell is an `nn.Module` with an `output_size` and `forward(inputs, state)`."""
    return _output_size_problem(cell) or _forward_problem(cell, "inputs", "state")


def embedding_problem(embedding: Any) -> str:
    """An embedding is an `nn.Module` with an `output_size` and `forward(ids)`."""
    problem = _output_size_problem(embedding)
    return problem or (
        _forward_problem(embedding, "ids") and _forward_problem(embedding, "ids", "state")
    )


def head_problem(head: Any) -> str:
    """A head is an `nn.Module` with `forward(hidden)`."""
    return _module_problem(head) or _forward_problem(head, "hidden")


def _module_problem(part: Any) -> str:
    from torch import nn

    return "" if isinstance(part, nn.Module) else _of_type(part, "Module")


def _output_size_problem(part: Any) -> str:
    has_one = isinstance(getattr(part, "output_size", None), int)
    return _module_problem(part) or ("" if has_one else "should have an integer `output_size`")


def _forward_problem(module: Any, *parameters: str) -> str:
    from torch import nn

    try:
        if type(module).forward is nn.Module.forward:
            raise TypeError("it has none")
        inspect.signature(module.forward).bind(*parameters)
    except TypeError as error:
        return f"should have forward({', '.join(parameters)}): {error}"
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
