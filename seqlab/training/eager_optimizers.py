"""torch's optimizers without torch's compiler.

Building an optimizer, and each of its steps, imports `torch._dynamo` only to exclude itself from
compilation. The import takes about as long as that of torch. Here the same code is called without
that wrapper where it is recognised.
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

    Sets the attribute under which torch caches the uncompiled function to the function itself.
    """
    if "torch._dynamo" in sys.modules:
        return
    for name in _WRAPPED:
        function = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if function is not None:
            vars(function).setdefault("__dynamo_disable", function)


def eager_step(optimizer: Optimizer) -> Callable[..., Any]:
    """Return the optimizer's step, which may take a closure, without torch's wrapper.

    Optimizers with step hooks, or of an unknown form, keep their own step.
    """
    plain = _unwrapped(type(optimizer).step)
    hooked = any(getattr(optimizer, name, None) for name in _HOOKS)
    if plain is None or hooked or "torch._dynamo" in sys.modules:
        return optimizer.step
    optimizer._opt_called = True  # type: ignore[attr-defined] # schedules look for it and warn

    def step(*closure: Any) -> Any:
        with torch.no_grad():
            return plain(optimizer, *closure)

    return step


def _unwrapped(step: Any) -> Callable[..., Any] | None:
    """Return the method inside `_use_grad_for_differentiable` (torch 2.13); None: not found."""
    while step is not None:
        wrapped = getattr(step, "__wrapped__", None)
        if getattr(step, "__code__", None) and step.__code__.co_name == "_use_grad":
            return wrapped
        step = wrapped
    return None
