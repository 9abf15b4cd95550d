"""What a method of evaluation promises. Shapes: B rows, T window, V vocabulary size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import Batch, State
from seqlab.model.unroll import unroll
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import random_states_left_alone

ROWS, WINDOW, SIZE, HIDDEN, WINDOWS = 3, 10, 13, 6, 4


class _Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.output_size = HIDDEN
        self.inputs, self.recurrent = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)

    @unroll
    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.inputs(inputs) + self.recurrent(state))
        return state, state


class _Model(nn.Module):
    """What a method sees of a model: `hidden`, `head`, parameters."""

    vocabulary = SIZE

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.cell = nn.Embedding(SIZE, HIDDEN), _Cell()
        self.head = nn.Linear(HIDDEN, SIZE)

    def hidden(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        outputs, after = self.cell(self.embedding(ids), state)
        return outputs, after


def _model() -> _Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _Model().eval()


def _batches() -> list[Batch]:
    """Consecutive windows; the last row has ended before the last of them."""
    ids = torch.randint(
        SIZE, (ROWS, WINDOW * WINDOWS + 1), generator=torch.Generator().manual_seed(1)
    )
    batches = []
    for number in range(WINDOWS):
        rows = ROWS - (number == WINDOWS - 1)
        window = ids[:rows, number * WINDOW : (number + 1) * WINDOW + 1]
        continues = torch.full((rows,), number > 0)
        batches.append(Batch(window[:, :-1], window[:, 1:], continues, None))
    return batches


def _nats(subject: Subject, batches: list[Batch], model: Any = None) -> list[Tensor]:
    return list(subject.build().nats(model or _model(), iter(batches)))


def every_target_has_nats(subject: Subject) -> None:
    """There are nats (B, T) for each batch, in order, finite and not below 0."""
    batches = _batches()
    found = _nats(subject, batches)
    shapes, wanted = [tuple(n.shape) for n in found], [tuple(b.targets.shape) for b in batches]
    expect(shapes == wanted, f"nats of the shapes {wanted}", shapes)
    finite = all(bool(n.isfinite().all()) and bool((n > -1e-4).all()) for n in found)
    expect(finite, "finite nats, not below 0", "others")
    expect(not any(n.requires_grad for n in found), "nats without a gradient", "they have one")


def nothing_is_read_ahead(subject: Subject) -> None:
    """The nats of a target do not depend on later targets."""
    batches = _batches()
    later = batches[-1]
    changed = [*batches[:-1], later._replace(targets=(later.targets + 1) % SIZE)]
    found, other = (torch.cat(_nats(subject, b)[:-1]) for b in (batches, changed))
    expect(torch.allclose(found, other), "earlier nats to stay as they are", "others")


def evaluations_repeat(subject: Subject) -> None:
    """Another pass gives the same nats, to the bit, and no global random state is touched."""
    first = _nats(subject, _batches())
    with random_states_left_alone():
        again = _nats(subject, _batches())
    expect(all(map(torch.equal, first, again)), "the same nats in another pass", "others")
