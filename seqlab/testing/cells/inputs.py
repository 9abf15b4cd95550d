"""Cells and inputs to check them with, and the comparison of two results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqlab.contracts import State, offered
from seqlab.model.state import detach_state, map_state
from seqlab.testing.promises import NotApplicable, Subject, expect

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


def reads_ahead(cell: nn.Module) -> bool:
    """Whether it says so, or a cell inside it."""
    return any(offered(module, "reads_ahead") is True for module in cell.modules())


def build_causal_cell(subject: Subject) -> Any:
    """Build a cell whose outputs follow from what came before; raise NotApplicable otherwise."""
    cell = build_cell(subject)
    if reads_ahead(cell):
        raise NotApplicable("it says `reads_ahead`, so a window is more than its pieces")
    return cell


def draw_inputs(
    rows: int = ROWS, window: int = WINDOW, *, dtype: torch.dtype = torch.float32, seed: int = 1
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, window, SIZE, generator=generator, dtype=torch.float64).to(dtype)


def draw_ids(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(SIZE, shape, generator=torch.Generator().manual_seed(seed))


def state_tensors(state: State) -> list[Tensor]:
    """Every tensor of a state, in order."""
    tensors: list[Tensor] = []
    map_state(lambda tensor: tensors.append(tensor) or tensor, state)  # type: ignore[func-returns-value] # append returns None, so this is the tensor
    return tensors


def float_tensors(result: Result) -> list[Tensor]:
    """The outputs and the floating-point tensors of the state."""
    return [
        tensor for tensor in (result[0], *state_tensors(result[1])) if tensor.is_floating_point()
    ]


def state_after(cell: Any, inputs: Tensor) -> State:
    """The state after a window, detached as the training loop detaches it."""
    with torch.no_grad():
        return detach_state(cell(inputs, None)[1], inputs.dtype)


def trained_parameters(cell: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in cell.named_parameters() if p.requires_grad}


def gradients_of(total: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of a sum for each parameter; zeros where the sum does not depend on it."""
    if not total.requires_grad:
        return {name: torch.zeros_like(p) for name, p in parameters.items()}
    gradients = torch.autograd.grad(
        total, list(parameters.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(parameters, gradients, strict=True))


class EntryPoint(NamedTuple):
    """A way to call a cell: its name, its inputs by seed, and a state for them.

    One that is for `evaluation_only` needs a state, and is never called under autocast.
    """

    name: str
    call: Call
    draw: Callable[[int], Tensor]
    state: State
    evaluation_only: bool = False

    @property
    def states(self) -> tuple[State | None, ...]:
        return (self.state,) if self.evaluation_only else (None, self.state)


def entry_points(cell: Any, like: Tensor = FLOAT32) -> Iterator[EntryPoint]:
    """Every way to call a cell that it offers, with the device and the dtype of `like`."""
    state = state_after(cell, draw_inputs(seed=2).to(like))

    def ids(seed: int) -> Tensor:
        return draw_ids(ROWS, WINDOW, seed=seed).to(like.device)

    yield EntryPoint("forward", cell, lambda seed: draw_inputs(seed=seed).to(like), state)
    if offered(cell, "from_ids"):
        yield EntryPoint("from_ids", cell.from_ids, ids, state)
    if offered(cell, "id_stepper"):
        step = cell.id_stepper()
        yield EntryPoint("id_stepper", step, lambda seed: ids(seed)[:, 0], state, True)


def call_seeded(call: Call, inputs: Tensor, state: State | None, *, seed: int = 7) -> Result:
    """Call with a fixed seed, so that dropout is the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return call(inputs, state)


def expect_close(actual: Tensor, expected: Tensor, promise: str, *, close: float = CLOSE) -> None:
    """Compare the shapes of two tensors, then their values."""
    shape, right = tuple(actual.shape), tuple(expected.shape)
    expect(shape == right, promise, f"the shape {shape}, not {right}")
    gap = (actual.detach().double() - expected.detach().double()).abs()
    difference = float(gap.max()) if gap.numel() else 0.0
    expect(difference <= close, promise, f"they differ by {difference:.1e}")


def expect_same(actual: Result, expected: Result, promise: str, *, close: float = CLOSE) -> None:
    """Compare outputs and every tensor of the state."""
    expect_close(actual[0], expected[0], f"{promise}: outputs", close=close)
    tensors, right = state_tensors(actual[1]), state_tensors(expected[1])
    promise = f"{promise}: the state after"
    expect(len(tensors) == len(right), promise, f"{len(tensors)} tensors, not {len(right)}")
    for tensor, other in zip(tensors, right, strict=True):
        expect_close(tensor, other, promise, close=close)


def expect_near(actual: Result, expected: Result, promise: str, close: float = 10 * CLOSE) -> None:
    """Compare outputs and state relative to the largest number in each tensor, if above 1."""
    pairs = [(actual[0], expected[0], "outputs")]
    tensors, right = state_tensors(actual[1]), state_tensors(expected[1])
    expect(len(tensors) == len(right), promise, f"a state of {len(tensors)}, not {len(right)}")
    pairs += [
        (tensor, other, "the state after") for tensor, other in zip(tensors, right, strict=True)
    ]
    for tensor, other, what in pairs:
        largest = float(other.abs().max()) if other.numel() else 0.0
        expect_close(tensor, other, f"{promise}: {what}", close=close * max(1.0, largest))


def weighted_sum(result: Result) -> Tensor:
    """A sum of outputs and state in which every number has a weight of its own."""
    generator = torch.Generator().manual_seed(5)
    sums = [(t * torch.randn(t.shape, generator=generator)).sum() for t in float_tensors(result)]
    return torch.stack(sums).sum()


def change_weights(cell: nn.Module) -> Iterator[str]:
    """Yield, and change the weights in between as a run does, so that caches must follow them."""
    weights = trained_parameters(cell).values()
    yield ""
    with torch.no_grad():
        for weight in weights:
            weight.mul_(1.25).add_(0.01)
    yield " after weights changed in place"
    for weight in weights:  # as an evaluation puts in the average of the weights
        weight.data = weight.data * 0.75
    yield " after other weights were put in"
