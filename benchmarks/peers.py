"""Peers of our own steps, written from their public descriptions.

Shapes: B rows, T window, V vocabulary size, H hidden size, I input size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import seqlab

BATCH, WINDOW, HIDDEN, CLIP = 32, 35, 256, 1e-2
Layer = type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]


class StepGRU(nn.Module):
    """A GRU as an author writes it: one step, lifted to a window."""

    def __init__(self, input_size: int, *, hidden_size: int = 256) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.inputs = nn.Linear(input_size, 3 * hidden_size)
        self.recurrent = nn.Linear(hidden_size, 3 * hidden_size)

    @seqlab.unroll
    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        reset_in, update_in, new_in = self.inputs(inputs).chunk(3, -1)
        reset, update, new = self.recurrent(state).chunk(3, -1)
        candidate = (new_in + (reset_in + reset).sigmoid() * new).tanh()
        state = candidate.lerp(state, (update_in + update).sigmoid())
        return state, state


class WholeGRU(nn.Module):
    """The same, by torch's own layer."""

    def __init__(self, input_size: int, *, hidden_size: int = 256) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.layer = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        outputs, after = self.layer(inputs, None if state is None else state.unsqueeze(0))
        return outputs, after.squeeze(0)


def plain_step(
    layer: Layer, ids: Tensor, vocabulary: int, device: str = "cpu"
) -> Callable[[], float]:
    """Return what takes one step of the textbook's training, as it describes it.

    A list of one-hots, stacked, torch's layer, a clip that walks the gradients twice, Adam without
    fusing, and the loss read after each step, which is returned, summed over its targets.

    Args:
        layer: of torch.
        ids: 1-D; they are walked through from the start again when they end.
        vocabulary: V.
        device: where it trains.
    """
    cell, dense = layer(vocabulary, HIDDEN).to(device), nn.Linear(HIDDEN, vocabulary).to(device)
    parameters = [*cell.parameters(), *dense.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=False, foreach=False)
    windows = _windows(ids)
    state: Tensor | tuple[Tensor, ...] | None = None

    def step() -> float:
        nonlocal state
        first, *window = next(windows)
        inputs, targets = (part.to(device) for part in window)
        state = None if first else _detached(state)
        one_hots = [_one_hot(x, vocabulary) for x in inputs.T]
        outputs, state = cell(torch.stack(one_hots), state)
        labels = targets.transpose(0, 1).contiguous().view(-1)
        loss = nn.functional.cross_entropy(dense(outputs.view(-1, HIDDEN)), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        _clip(parameters)
        optimizer.step()
        return loss.item() * labels.numel()

    return step


def _one_hot(ids: Tensor, vocabulary: int) -> Tensor:
    return torch.zeros(len(ids), vocabulary, device=ids.device).scatter_(1, ids[:, None], 1)


def plain_steps_per_epoch(ids: Tensor) -> int:
    """How many steps make one epoch of that training."""
    return (len(ids) // BATCH - 1) // WINDOW


def _windows(ids: Tensor) -> Iterator[tuple[bool, Tensor, Tensor]]:
    """Whether an epoch begins, inputs and targets, (B, T) each."""
    length = len(ids) // BATCH
    rows = ids[: BATCH * length].view(BATCH, length)
    while True:
        for start in range(0, (length - 1) // WINDOW * WINDOW, WINDOW):
            inputs = rows[:, start : start + WINDOW]
            yield start == 0, inputs, rows[:, start + 1 : start + WINDOW + 1]


def _detached(state: Tensor | tuple[Tensor, ...] | None) -> Tensor | tuple[Tensor, ...] | None:
    if isinstance(state, tuple):
        return tuple(part.detach() for part in state)
    return None if state is None else state.detach()


def _clip(parameters: list[nn.Parameter]) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([(gradient**2).sum() for gradient in gradients]).sum().sqrt()
    if norm.item() > CLIP:
        for gradient in gradients:
            gradient.mul_(CLIP / norm)
