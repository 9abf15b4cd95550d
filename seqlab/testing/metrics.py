"""What a metric of an evaluation promises. Shapes: N tokens, V vocabulary size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seqlab.testing.default_device import expect_nothing_elsewhere
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import random_states_left_alone

TOKENS, SIZE, CLOSE = 60, 11, 1e-5
Scored = tuple[Tensor, Tensor, Tensor]


def _scored() -> Scored:
    """Logits, targets and weights; every seventh token does not count."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(TOKENS, SIZE, generator=generator)
    targets = torch.randint(SIZE, (TOKENS,), generator=generator)
    weights = 0.5 + torch.rand(TOKENS, generator=generator)
    weights[::7] = 0
    return logits, targets, weights


def _measured(subject: Subject, *scored: Scored) -> Mapping[str, Any]:
    metric = subject.build()
    for logits, targets, weights in scored:
        metric.update(logits, targets, weights)
    numbers = metric.compute()
    expect(isinstance(numbers, Mapping), "numbers by name", type(numbers).__name__)
    names = tuple(metric.names)
    expect(tuple(numbers) == names, f"a number for each of {names}", tuple(numbers))
    return dict(numbers)


def _close(
    found: Mapping[str, Any], wanted: Mapping[str, Any], promise: str, within: float = CLOSE
) -> None:
    same = found.keys() == wanted.keys() and all(
        math.isclose(found[name], wanted[name], rel_tol=within, abs_tol=CLOSE) for name in wanted
    )
    expect(same, promise, f"{dict(found)}, not {dict(wanted)}")


def numbers_have_names(subject: Subject) -> None:
    """`compute` gives finite numbers by names of letters, digits and _, the same in every pass."""
    numbers = _measured(subject, _scored())
    expect(bool(numbers), "one number or more", "none")
    wrong = [name for name in numbers if not str(name).isidentifier()]
    expect(not wrong, "names of letters, digits and _", wrong)
    finite = all(isinstance(v, float | int) and math.isfinite(v) for v in numbers.values())
    expect(finite, "finite numbers", numbers)
    with random_states_left_alone():
        logits, targets, weights = _scored()
        _measured(subject, (logits.flip(0), targets, weights))
        again = _measured(subject, _scored())
    _close(again, numbers, "the same numbers in another pass")


def few_tokens_are_enough(subject: Subject) -> None:
    """One target is enough, and so is a vocabulary of two tokens."""
    logits, targets, weights = _scored()
    two = (logits[:, :2], targets % 2, weights)
    one = (logits[1:2], targets[1:2], weights[1:2])
    for scored in (two, one):
        numbers = _measured(subject, scored)
        expect(all(map(math.isfinite, numbers.values())), "finite numbers", numbers)


def logits_may_have_any_precision(subject: Subject) -> None:
    """Logits in bfloat16 and in float64 give the numbers of the same logits in float32."""
    logits, targets, weights = _scored()
    logits = logits.bfloat16()
    wanted = _measured(subject, *_pieces(logits.float(), targets, weights))
    for dtype in (torch.bfloat16, torch.float64):
        found = _measured(subject, *_pieces(logits.to(dtype), targets, weights))
        _close(found, wanted, f"the same numbers for logits in {dtype}", 0.01)


def _pieces(logits: Tensor, targets: Tensor, weights: Tensor) -> list[Scored]:
    """Three tokens at a time, each of them several times."""
    starts = range(0, len(targets), 3)
    return [(logits[n : n + 3], targets[n : n + 3], weights[n : n + 3]) for n in starts] * 20


def chunks_change_nothing(subject: Subject) -> None:
    """The targets of a pass may come in pieces of any size."""
    scored = _scored()
    cuts = [slice(start, start + 17) for start in range(0, TOKENS, 17)]
    pieces: list[Scored] = [(scored[0][cut], scored[1][cut], scored[2][cut]) for cut in cuts]
    _close(_measured(subject, *pieces), _measured(subject, scored), "pieces to add up")


def weights_count(subject: Subject) -> None:
    """Targets of weight 0 count for nothing, and the scale of all weights changes nothing."""
    logits, targets, weights = _scored()
    counted = weights > 0
    without = (logits[counted], targets[counted], weights[counted])
    whole = _measured(subject, (logits, targets, weights))
    _close(_measured(subject, without), whole, "targets of weight 0 to count for nothing")
    doubled = _measured(subject, (logits, targets, 2 * weights))
    _close(doubled, whole, "twice the weights to change nothing")


def metric_leaves_its_arguments(subject: Subject) -> None:
    """Logits, targets and weights stay as they are."""
    scored = _scored()
    kept = [part.clone() for part in scored]
    _measured(subject, scored)
    expect(all(map(torch.equal, kept, scored)), "its arguments to stay as they are", "changed")


def metric_follows_the_device(subject: Subject) -> None:
    """Tensors that `update` makes are on the device of the logits."""
    scored, metric = _scored(), subject.build()
    expect_nothing_elsewhere(lambda: metric, lambda made: [made.update(*scored)])
