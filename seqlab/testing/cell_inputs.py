"""Cells, windows of inputs, and how far apart two results are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqlab.contracts import State
from seqlab.model.state import detach_state, map_state
from seqlab.testing.promises import Subject, expect

ROWS, WINDOW, SIZE = 3, 9, 8
CLOSE = 1e-5

FLOAT32 = torch.empty(())

Result = tuple[Tensor, State]
Call = Callable[[Tensor, "State | None"], Result]


def build_cell(subject: Subject, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cell = subject.build(SIZE)
    expect(isinstance(cell, nn.Module), "an nn.Module", type(cell).__name__)
    return cell.to(dtype).eval()


def draw_inputs(
    rows: int = ROWS, window: int = WINDOW, *, dtype: torch.dtype = torch.float32, seed: int = 1
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, window, SIZE, generator=generator, dtype=torch.float64).to(dtype)


def draw_ids(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(SIZE, shape, generator=torch.Generator().manual_seed(seed))


def leaves(state: State) -> list[Tensor]:
    """Every tensor of a state, in order."""
    found: list[Tensor] = []
    map_state(lambda tensor: found.append(tensor) or tensor, state)  # type: ignore[func-returns-value] # append returns None, so the tensor it is
    return found


def carried(cell: Any, inputs: Tensor) -> State:
    """A state that is not fresh, as the loop carries it."""
    with torch.no_grad():
        return detach_state(cell(inputs, None)[1], inputs.dtype)


class Road(NamedTuple):
    """A way to call a cell: what it is named, inputs for it by seed, and a carried state for it.

    One that `generates` is called in evaluation only, behind a window, and never under autocast.
    """

    name: str
    call: Call
    draw: Callable[[int], Tensor]
    state: State
    generates: bool = False

    @property
    def states(self) -> tuple[State | None, ...]:
        return (self.state,) if self.generates else (None, self.state)


def roads(cell: Any, like: Tensor = FLOAT32) -> Iterator[Road]:
    """Every way that a cell offers to call it, on the device of `like` and with its dtype."""
    state = carried(cell, draw_inputs(seed=2).to(like))

    def vectors(seed: int) -> Tensor:
        return draw_inputs(seed=seed).to(like)

    def ids(seed: int) -> Tensor:
        return draw_ids(ROWS, WINDOW, seed=seed).to(like.device)

    yield Road("forward", cell, vectors, state)
    if hasattr(cell, "from_ids"):
        yield Road("from_ids", cell.from_ids, ids, state)
    if hasattr(cell, "id_stepper"):
        step = cell.id_stepper()
        yield Road("id_stepper", step, lambda seed: ids(seed)[:, 0], state, generates=True)


def seeded(call: Call, inputs: Tensor, state: State | None) -> Result:
    """Call it with chance that is the same each time, so that dropout is too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return call(inputs, state)


def alike(found: Tensor, wanted: Tensor, promise: str, *, close: float = CLOSE) -> None:
    """Compare two tensors: their shapes first, which a distance says nothing of."""
    shapes = tuple(found.shape), tuple(wanted.shape)
    expect(shapes[0] == shapes[1], promise, f"the shape {shapes[0]}, not {shapes[1]}")
    apart = float((found.double() - wanted.double()).abs().max()) if found.numel() else 0.0
    expect(apart <= close, promise, f"they differ by {apart:.1e}")


def same(found: Result, wanted: Result, promise: str, *, close: float = CLOSE) -> None:
    """Compare outputs and every tensor of the state."""
    alike(found[0], wanted[0], f"{promise}: outputs", close=close)
    parts, others = leaves(found[1]), leaves(wanted[1])
    promise = f"{promise}: the state after"
    expect(len(parts) == len(others), promise, f"{len(parts)} tensors, not {len(others)}")
    for part, other in zip(parts, others, strict=True):
        alike(part, other, promise, close=close)
