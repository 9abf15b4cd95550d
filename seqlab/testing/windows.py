"""Cells, windows of inputs, and how far apart two results are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import State
from seqlab.model.state import map_state, settle
from seqlab.testing.promises import Subject, expect

ROWS, WINDOW, SIZE = 3, 9, 8
CLOSE = 1e-5

Result = tuple[Tensor, State]


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


def leaves(state: State) -> list[Tensor]:
    """Every tensor of a state, in order."""
    found: list[Tensor] = []
    map_state(lambda tensor: found.append(tensor) or tensor, state)  # type: ignore[func-returns-value] # append returns None, so the tensor it is
    return found


def carried(cell: Any, inputs: Tensor) -> State:
    """A state that is not fresh, as the loop carries it."""
    with torch.no_grad():
        return settle(cell(inputs, None)[1], inputs.dtype)


def distance(one: Tensor, other: Tensor) -> float:
    if one.shape != other.shape:
        return float("inf")
    return float((one.double() - other.double()).abs().max()) if one.numel() else 0.0


def same(found: Result, wanted: Result, promise: str, *, close: float = CLOSE) -> None:
    """Compare outputs and every tensor of the state."""
    outputs = distance(found[0], wanted[0])
    expect(outputs <= close, f"{promise}: outputs", f"they differ by {outputs:.1e}")
    pairs = zip(leaves(found[1]), leaves(wanted[1]), strict=True)
    states = max((distance(one, other) for one, other in pairs), default=0.0)
    expect(states <= close, f"{promise}: the state after", f"it differs by {states:.1e}")
