"""What every module of a model promises: weights that can be saved, seeds, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.testing.promises import NotApplicable, expect
from seqlab.testing.random_states import random_states_left_alone

Make = Callable[[], Any]
Call = Callable[[Any], Tensor]


def built(make: Make, seed: int = 0) -> Any:
    """Return a module in evaluation mode, with weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = make()
    expect(isinstance(module, nn.Module), "an nn.Module", type(module).__name__)
    return module.eval()


def expect_equal_after_saving(make: Make, call: Call) -> None:
    saved, loaded = built(make), built(make, seed=9)
    loaded.load_state_dict({name: t.clone() for name, t in saved.state_dict().items()})
    same = torch.equal(call(loaded), call(saved))
    expect(same, "loaded weights to give the same, to the bit", "they give something else")


def expect_seeds_decide(make: Make, call: Call) -> None:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        results = []
        for _ in range(2):
            module = built(make).train()
            torch.manual_seed(7)
            results.append(call(module))
    same = torch.equal(*results)
    expect(same, "one seed to give the same in training", "it gives something else")
    with torch.no_grad(), random_states_left_alone():
        call(module.eval())


def expect_gradients(make: Make, call: Call) -> None:
    """Every parameter that is trained has a gradient that is not all zero."""
    module = built(make)
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not trained:
        raise NotApplicable("it has no parameters that are trained, and need not have any")
    values = call(module)
    weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(5))
    total = (values * weights).sum()
    gradients = torch.autograd.grad(total, list(trained.values()), allow_unused=True)
    dead = [n for n, g in zip(trained, gradients, strict=True) if g is None or not g.any()]
    expect(not dead, "a gradient for every parameter", f"none for {', '.join(dead)}")


def expect_dtype(make: Make, call: Callable[[Any, torch.dtype], Tensor]) -> None:
    for dtype in (torch.float32, torch.float64):
        found = call(built(make).to(dtype), dtype).dtype
        expect(found == dtype, f"{dtype} of a module of {dtype}", found)
