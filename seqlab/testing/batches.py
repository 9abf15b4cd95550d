"""What is checked of single batches. Shapes: B rows, T window."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Batch, offered
from seqlab.testing.promises import expect


def batches_of(sampler: Any, epoch: int) -> list[Batch]:
    """Every batch of an epoch."""
    ask = offered(sampler, "batches")
    count = len(sampler) if ask is None else ask(epoch)
    expect(type(count) is int and count > 0, "a batch in every epoch", f"{count!r} in {epoch}")
    return [sampler.batch(epoch, index) for index in range(count)]


class OneEpoch:
    """The batches of one epoch of a sampler, made once."""

    def __init__(self, sampler: Any, epoch: int) -> None:
        self._batches = batches_of(sampler, epoch)
        self._left_out = list(sampler.left_out(epoch))
        self.carries_over_epochs = offered(sampler, "carries_over_epochs")

    def __len__(self) -> int:
        return len(self._batches)

    def batch(self, _: int, index: int) -> Batch:
        """Return a batch of that epoch, whichever is asked for."""
        return self._batches[index]

    def left_out(self, _: int) -> list[range]:
        """Return what that epoch leaves out."""
        return self._left_out


def counted(batch: Batch) -> Tensor:
    """Which targets count (B, T)."""
    everywhere = torch.ones_like(batch.targets, dtype=torch.bool)
    return everywhere if batch.weights is None else batch.weights > 0


def check_shape(batch: Batch, size: int) -> None:
    shape = tuple(batch.inputs.shape)
    expect(len(shape) == 2 and all(shape), "inputs (B, T) that are not empty", shape)
    for name, part in (("inputs", batch.inputs), ("targets", batch.targets)):
        check_form(name, part, torch.int64, shape)
        inside = bool(((part >= 0) & (part < size)).all())  # padding is embedded too
        expect(inside, f"{name} that are ids of tokens, even where nothing counts", "others")
    check_form("continues", batch.continues, torch.bool, shape[:1])
    if batch.starts is not None:
        check_form("starts", batch.starts, torch.bool, shape)
    if batch.weights is not None:
        check_form("weights", batch.weights, torch.float32, shape)
        fit = bool((batch.weights.isfinite() & (batch.weights >= 0)).all())
        expect(fit, "finite weights, none below 0", batch.weights)


def check_form(name: str, part: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    expect(isinstance(part, Tensor), f"a tensor of {name}", type(part).__name__)
    seen = f"{part.dtype} {tuple(part.shape)}"
    expect(seen == f"{dtype} {shape}", f"{name} of {dtype} {shape}", seen)


def check_continued(before: Batch, batch: Batch) -> None:
    if before.starts is not None:
        packed = before.starts[:, 1:].any(1)
        wrong = packed[batch.continues[: len(packed)]].any()
        expect(not wrong, "no row to continue one in which documents start", "one does")
    old, new = len(before.inputs), len(batch.inputs)
    expect(old == new, "as many rows where one continues", f"{old}, then {new}")
    rows = batch.continues & counted(batch).any(1)  # a row may have come to its end
    first, last = batch.inputs[rows, 0], before.targets[rows, -1]
    seen = f"rows that begin with {first[:3].tolist()} after {last[:3].tolist()}"
    expect(first.equal(last), "a row's last target as its next input", seen)


def expect_same(actual: Batch, expected: Batch, promise: str) -> None:
    for name, part, other in zip(Batch._fields, actual, expected, strict=True):
        if part is None or other is None:
            expect(part is other, promise, f"{name} only once")
        else:
            expect(torch.equal(part, other), promise, f"other {name}")
