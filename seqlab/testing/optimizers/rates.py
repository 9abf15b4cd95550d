"""What an optimizer promises of the rates in its groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seqlab.testing.optimizers.inputs import (
    PERIODS,
    build_optimizer,
    descend,
    differences,
    set_rates,
    unmoved,
    values_of,
)
from seqlab.testing.parameters import Parameters, draw_parameters
from seqlab.testing.promises import Subject, expect

STILL = "no change of any weight with an `lr` of 0"


def rate_in_the_groups_is_used(subject: Subject) -> None:
    """An `lr` of 0 in the groups stops every weight at once; the old one moves them again.

    Slow weights, which others meet every so many steps, may still do so once.
    """
    weights = draw_parameters()
    optimizer = build_optimizer(subject, weights)
    descend(optimizer, weights)
    rates = [group["lr"] for group in optimizer.param_groups]
    _expect_still(subject, optimizer, weights, range(len(rates)))
    set_rates(optimizer, rates)
    before = values_of(weights)
    descend(optimizer, weights, PERIODS)
    still = unmoved(weights, before)
    expect(not still, "every weight to move once `lr` is what it was", f"still: {still}")


def rate_of_each_group_is_its_own(subject: Subject) -> None:
    """An `lr` of 0 in one group stops the weights of that group, whatever the others have."""
    count = len(build_optimizer(subject, draw_parameters()).param_groups)
    for number in range(count):
        weights = draw_parameters()
        optimizer = build_optimizer(subject, weights)
        descend(optimizer, weights)
        _expect_still(subject, optimizer, weights, [number])


def _expect_still(
    subject: Subject, optimizer: Any, weights: Parameters, groups: Iterable[int]
) -> None:
    """Take steps without a rate in some groups: their weights stay, and no gradient counts.

    They may change in one step: there, slow weights and fast ones meet.
    """
    other_weights = draw_parameters()
    other = build_optimizer(subject, other_weights)
    descend(other, other_weights)
    stopped = _stop(optimizer, weights, groups), _stop(other, other_weights, groups)
    changes = 0
    for _ in range(PERIODS):
        before = values_of(stopped[0])
        descend(optimizer, weights)
        seen = differences(stopped[0], before)
        changes += bool(seen)
        expect(changes < 2, STILL, f"{seen}, and in a step before")
        descend(other, other_weights, factor=-3)
        seen = differences(stopped[0], values_of(stopped[1]))
        expect(not seen, STILL, f"{seen} after other gradients")


def _stop(optimizer: Any, weights: Parameters, groups: Iterable[int]) -> Parameters:
    """Set the rate of some groups to 0, and return their parameters."""
    chosen = [optimizer.param_groups[number] for number in groups]
    for group in chosen:
        group["lr"] = 0.0
    held = {id(parameter) for group in chosen for parameter in group["params"]}
    return {name: parameter for name, parameter in weights.items() if id(parameter) in held}
