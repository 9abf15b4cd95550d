"""What an optimizer promises of steps that the core has it leave out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from seqlab.testing.optimizers.inputs import (
    build_optimizer,
    descend,
    expect_same_weights,
    values_of,
)
from seqlab.testing.parameters import Parameters, draw_parameters
from seqlab.testing.promises import NotApplicable, Subject
from seqlab.training.closure import skips_by_flag
from seqlab.training.eager_optimizers import eager_step


def told_of_infinity_a_fused_step_does_nothing(subject: Subject) -> None:
    """Where every group says `fused`, `found_inf` of 1 leaves weights and state alone."""
    if not skips_by_flag(build_optimizer(subject, draw_parameters())):
        raise NotApplicable("not every group says `fused`, so it is not asked to skip a step")
    for warm in (0, 1):
        skipped, plain = draw_parameters(), draw_parameters()
        skipping, stepping = build_optimizer(subject, skipped), build_optimizer(subject, plain)
        descend(skipping, skipped, warm)
        descend(stepping, plain, warm)
        with _fill_uninitialised_memory():
            _skip(skipping, skipped)
        promise = "weights that a step with found_inf left alone"
        expect_same_weights(skipped, values_of(plain), promise)
        skipping.found_inf = torch.tensor(0.0)
        descend(skipping, skipped)
        descend(stepping, plain)
        promise = "the next step as if none was skipped before it"
        expect_same_weights(skipped, values_of(plain), promise)


def _skip(optimizer: Any, weights: Parameters) -> None:
    for parameter in weights.values():
        parameter.grad = torch.full_like(parameter, math.nan)
    optimizer.found_inf = torch.tensor(1.0)
    eager_step(optimizer)()


@contextmanager
def _fill_uninitialised_memory() -> Iterator[None]:
    """Have torch fill new buffers with NaN, so that no unwritten buffer is zero by chance."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
