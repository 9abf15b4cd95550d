"""What a cell promises of its gradients."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call

from seqlab.testing.cells.inputs import (
    build_cell,
    draw_inputs,
    float_tensors,
    gradients_of,
    state_after,
    trained_parameters,
)
from seqlab.testing.promises import NotApplicable, Subject, expect

WINDOWS = 2  # a fresh state may hide a weight, so the second window starts from a carried one


def gradients_reach_every_parameter(subject: Subject) -> None:
    """After two windows every parameter that is trained has a gradient that is not all zero."""
    cell, state = build_cell(subject), None
    trained = trained_parameters(cell)
    if not trained:
        raise NotApplicable("the cell has no parameters that are trained, and need not have any")
    _move_from_zero(trained)
    total = torch.zeros(())
    for number in range(WINDOWS):
        outputs, state = cell(draw_inputs(seed=number), state)
        weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(5))
        total = total + (outputs * weights).sum()
    dead = [name for name, gradient in gradients_of(total, trained).items() if not gradient.any()]
    expect(not dead, "a gradient for every parameter", f"none for {', '.join(dead)}")


@torch.no_grad()
def _move_from_zero(parameters: Mapping[str, Tensor]) -> None:
    """Draw what begins at zero, and so hides the parameter that it is multiplied with."""
    for parameter in parameters.values():
        if not parameter.any():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(0))


def gradients_are_right(subject: Subject) -> None:
    """Gradients of outputs and state equal differences of values, in float64 (`gradcheck`)."""
    cell = build_cell(subject, dtype=torch.float64)
    inputs = draw_inputs(2, 4, dtype=torch.float64).requires_grad_()
    state = state_after(cell, draw_inputs(2, 4, dtype=torch.float64, seed=2))
    trained = trained_parameters(cell)

    def values(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        parameters = dict(zip(trained, weights, strict=True))
        return tuple(float_tensors(functional_call(cell, parameters, (inputs, state))))

    weights = [parameter.detach().requires_grad_() for parameter in trained.values()]
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            torch.autograd.gradcheck(values, (inputs, *weights), fast_mode=True, atol=1e-6)
    except GradcheckError as error:
        expect(False, "gradients that equal differences of values", str(error)[:200])
