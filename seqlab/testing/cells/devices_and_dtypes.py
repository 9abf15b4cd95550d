"""What a cell promises of the device and the dtype of its tensors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeVar

import torch
from torch import Tensor

from seqlab.kernels import use_kernels
from seqlab.testing.cells.inputs import (
    FLOAT32,
    EntryPoint,
    build_cell,
    entry_points,
    float_tensors,
    state_tensors,
)
from seqlab.testing.default_device import MadeElsewhere, OtherDefaultDevice
from seqlab.testing.promises import NotApplicable, Subject, expect

LONG = 8  # windows in a row
T = TypeVar("T")


@torch.no_grad()
def dtype_is_followed(subject: Subject) -> None:
    """Outputs and state have the type of the weights; under bfloat16 autocast float32 works."""
    for like in (FLOAT32, FLOAT32.double()):
        for entry in entry_points(build_cell(subject).to(like), like):
            for state in entry.states:
                seen = {tensor.dtype for tensor in float_tensors(entry.call(entry.draw(1), state))}
                kind = str(like.dtype).removeprefix("torch.")
                expect(seen == {like.dtype}, f"{kind} from {kind} in `{entry.name}`", seen)
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
    for entry in entry_points(build_cell(subject)):
        _expect_nothing_elsewhere(entry)
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


def _expect_nothing_elsewhere(entry: EntryPoint) -> None:
    """Call it where the default device is another: short and long, with autocast too."""
    calls = [(entry.draw(1), state) for state in entry.states]
    if not entry.evaluation_only:
        calls.append((torch.cat([entry.draw(seed) for seed in range(LONG)], 1), None))
    for (inputs, state), autocast in product(calls, (False, True)):
        if autocast and entry.evaluation_only:
            continue
        promise = f"tensors made on the inputs' device in `{entry.name}`"
        with (
            use_kernels("reference"),  # a kernel of the CPU is never called for a GPU
            torch.autocast("cpu", torch.bfloat16, enabled=autocast),
            OtherDefaultDevice() as mode,
        ):
            try:
                outputs, after = entry.call(inputs, state)
            except MadeElsewhere as error:
                expect(False, promise, error)
        lost = [t.shape for t in (outputs, *state_tensors(after)) if mode.is_elsewhere(t)]
        expect(not lost, promise, f"outputs or state of {lost} made without a device")


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
