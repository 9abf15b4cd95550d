"""torch's optimizers without torch's compiler.

The first optimizer that is built, and every step, import `torch._dynamo`, to tell a compiler that
is not running to leave them alone. That import takes about as long as importing torch. Here the
same code is called without that wrapping, where it is recognised; anything else as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

_WRAPPED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


def spare_compiler() -> None:
    """Let optimizers be built, saved and loaded without importing the compiler.

    Where torch would look up the function that the compiler leaves alone, it finds the function
    itself. Once the compiler is there, nothing is to be gained, and nothing is done.
    """
    if "torch._dynamo" in sys.modules:
        return
    for name in _WRAPPED:
        function = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if function is not None:
            vars(function).setdefault("__dynamo_disable", function)


def eager_step(optimizer: Optimizer) -> Callable[[], Any]:
    """Return what takes a step of this optimizer, without torch's wrapping where that is known.

    An optimizer with hooks on its steps, or of another make, is called as it is.
    """
    plain = _inside(type(optimizer).step)
    hooked = any(getattr(optimizer, name, None) for name in _HOOKS)
    if plain is None or hooked or "torch._dynamo" in sys.modules:
        return optimizer.step
    optimizer._opt_called = True  # type: ignore[attr-defined] # schedules look for it and warn

    def step() -> Any:
        with torch.no_grad():
            return plain(optimizer)

    return step


def _inside(step: Any) -> Callable[..., Any] | None:
    """The method that `_use_grad_for_differentiable` wraps, in torch 2.13; None: not found."""
    while step is not None:
        inner = getattr(step, "__wrapped__", None)
        if getattr(step, "__code__", None) and step.__code__.co_name == "_use_grad":
            return inner
        step = inner
    return None
