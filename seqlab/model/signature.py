"""What a component's method asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def takes_state(method: Callable[..., Any], others: int) -> bool:
    """Return whether a method has a parameter more than `others`: the state that it carries."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(method).parameters.values()
    return sum(parameter.kind in kinds for parameter in parameters) > others
