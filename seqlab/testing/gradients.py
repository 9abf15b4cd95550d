"""What a cell promises of its gradients."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call

from seqlab.testing.promises import Subject, expect
from seqlab.testing.windows import build_cell, carried, draw_inputs, leaves

WINDOWS = 2  # a fresh state may hide a weight, so gradients are looked at behind a carried one


def gradients_reach_every_parameter(subject: Subject) -> None:
    """After two windows every parameter that is trained has a gradient that is not all zero."""
    cell, state = build_cell(subject), None
    total = torch.zeros(())
    for number in range(WINDOWS):
        outputs, state = cell(draw_inputs(seed=number), state)
        weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(5))
        total = total + (outputs * weights).sum()
    total.backward()  # type: ignore[no-untyped-call] # torch's own
    trained = [(name, p.grad) for name, p in cell.named_parameters() if p.requires_grad]
    dead = [name for name, gradient in trained if gradient is None or not gradient.any()]
    expect(not dead, "a gradient for every parameter", f"none for {', '.join(dead)}")


def gradients_are_right(subject: Subject) -> None:
    """Gradients of outputs and state equal differences of values, in float64 (`gradcheck`)."""
    cell = build_cell(subject, dtype=torch.float64)
    inputs = draw_inputs(2, 4, dtype=torch.float64).requires_grad_()
    before = carried(cell, draw_inputs(2, 4, dtype=torch.float64, seed=2))
    names = [name for name, p in cell.named_parameters() if p.requires_grad]

    def values(given: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        outputs, after = functional_call(
            cell, dict(zip(names, weights, strict=True)), (given, before)
        )
        return outputs, *(part for part in leaves(after) if part.is_floating_point())

    weights = [dict(cell.named_parameters())[name].detach().requires_grad_() for name in names]
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            torch.autograd.gradcheck(values, (inputs, *weights), fast_mode=True, atol=1e-6)
    except GradcheckError as error:
        expect(False, "gradients that equal differences of values", str(error)[:200])
