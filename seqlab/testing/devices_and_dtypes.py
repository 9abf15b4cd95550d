"""What a cell promises of where its tensors are made, and of what type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from seqlab.testing.cell_inputs import FLOAT32, Road, build_cell, leaves, roads
from seqlab.testing.promises import NotApplicable, Subject, expect

T = TypeVar("T")


@torch.no_grad()
def dtype_is_followed(subject: Subject) -> None:
    """In float64 outputs and state are float64; under bfloat16 autocast a float32 state works."""
    like = FLOAT32.double()
    for road in roads(build_cell(subject).to(like), like):
        for state in road.states:
            outputs, after = road.call(road.draw(1), state)
            floating = [outputs, *(part for part in leaves(after) if part.is_floating_point())]
            seen = {part.dtype for part in floating}
            expect(seen == {torch.float64}, f"float64 from float64 in `{road.name}`", seen)
    for road in (road for road in roads(build_cell(subject)) if not road.generates):
        with torch.autocast("cpu", torch.bfloat16):
            outputs, after = road.call(road.draw(1), road.state)
        finite = all(bool(part.isfinite().all()) for part in (outputs, *leaves(after)))
        promise = f"finite numbers from `{road.name}` under bfloat16 autocast"
        expect(finite, promise, "not a number, or infinity")


@torch.no_grad()
def device_is_followed(subject: Subject) -> None:
    """Tensors are made on the device of the inputs, wherever that is."""
    like = FLOAT32.to("cuda" if torch.cuda.is_available() else "meta")
    cell = build_cell(subject).to(like)
    ways = _tried(lambda: list(roads(cell, like)), like) or []
    tried = [_stays_there(road, like) for road in ways]
    if not any(tried):
        raise NotApplicable("no second device, and its operations need values")


def _stays_there(road: Road, like: Tensor) -> bool:
    """Whether a road could be tried on the device of `like`; what it gives is then there."""
    made = _tried(lambda: [road.call(road.draw(1), state) for state in road.states], like)
    for outputs, state in made or []:
        places = {part.device.type for part in (outputs, *leaves(state))}
        promise = f"outputs and state of `{road.name}` on the inputs' device"
        expect(places == {like.device.type}, promise, places)
    return made is not None


def _tried(call: Callable[[], T], like: Tensor) -> T | None:
    """What a call gives on the device of `like`: None where it needs values that are not there."""
    try:
        return call()
    except (RuntimeError, NotImplementedError) as error:
        mixed = "same device" in str(error) or "cpu" in str(error)
        expect(not mixed, "tensors made on the inputs' device", str(error)[:200])
        if not like.is_meta:
            raise
        return None
