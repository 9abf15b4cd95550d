"""What a cell promises of the device and the dtype of its tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from seqlab.testing.cells.inputs import (
    FLOAT32,
    EntryPoint,
    build_cell,
    entry_points,
    float_tensors,
    state_tensors,
)
from seqlab.testing.promises import NotApplicable, Subject, expect

T = TypeVar("T")


@torch.no_grad()
def dtype_is_followed(subject: Subject) -> None:
    """In float64 outputs and state are float64; under bfloat16 autocast a float32 state works."""
    like = FLOAT32.double()
    for entry in entry_points(build_cell(subject).to(like), like):
        for state in entry.states:
            seen = {tensor.dtype for tensor in float_tensors(entry.call(entry.draw(1), state))}
            expect(seen == {torch.float64}, f"float64 from float64 in `{entry.name}`", seen)
    for entry in entry_points(build_cell(subject)):
        if entry.evaluation_only:
            continue
        with torch.autocast("cpu", torch.bfloat16):
            outputs, after = entry.call(entry.draw(1), entry.state)
        finite = all(bool(tensor.isfinite().all()) for tensor in (outputs, *state_tensors(after)))
        promise = f"finite numbers from `{entry.name}` under bfloat16 autocast"
        expect(finite, promise, "not a number, or infinity")


@torch.no_grad()
def device_is_followed(subject: Subject) -> None:
    """Tensors are made on the device of the inputs, wherever that is."""
    like = FLOAT32.to("cuda" if torch.cuda.is_available() else "meta")
    cell = build_cell(subject).to(like)
    entries = _call_on_device(lambda: list(entry_points(cell, like)), like) or []
    called = [_check_device(entry, like) for entry in entries]
    if not any(called):
        raise NotApplicable("there is no second device, and its operations need values")


def _check_device(entry: EntryPoint, like: Tensor) -> bool:
    """Return whether an entry point could be called on the device of `like`."""
    results = _call_on_device(
        lambda: [entry.call(entry.draw(1), state) for state in entry.states], like
    )
    for outputs, state in results or []:
        devices = {tensor.device.type for tensor in (outputs, *state_tensors(state))}
        promise = f"outputs and state of `{entry.name}` on the inputs' device"
        expect(devices == {like.device.type}, promise, devices)
    return results is not None


def _call_on_device(call: Callable[[], T], like: Tensor) -> T | None:
    """The result of a call; None: it needs values, which the meta device does not have."""
    try:
        return call()
    except (RuntimeError, NotImplementedError) as error:
        mixed = "same device" in str(error) or "cpu" in str(error)
        expect(not mixed, "tensors made on the inputs' device", str(error)[:200])
        if not like.is_meta:
            raise
        return None
