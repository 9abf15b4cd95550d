"""What a method of evaluation promises. Shapes: B rows, T window, V vocabulary size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlab.contracts import Batch, State
from seqlab.data.tokens import Tokens
from seqlab.model.unroll import unroll
from seqlab.testing.default_device import expect_nothing_elsewhere
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import random_states_left_alone

ROWS, WINDOW, SIZE, HIDDEN, WINDOWS, CLOSE = 3, 10, 13, 6, 4, 1e-5


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
    return list(_built(subject).nats(model or _model(), iter(batches)))


def _built(subject: Subject) -> Any:
    return subject.build(training=_training)


def _training() -> Tokens:
    """A training split in which every token is."""
    drawn = torch.randint(SIZE, (40 * SIZE,), generator=torch.Generator().manual_seed(2)).numpy()
    return Tokens(np.append(np.arange(SIZE), drawn), np.zeros(1, np.int64))


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
    """The nats of a target do not depend on later targets, of its window or of later ones."""
    found, other = (_nats(subject, _ending_with(token)) for token in (0, 1))
    earlier = [*zip(found[:-1], other[:-1], strict=True), (found[-1][:, :-1], other[-1][:, :-1])]
    same = all(torch.allclose(one, two, atol=CLOSE) for one, two in earlier)
    expect(same, "earlier nats to stay as they are", "others")


def probabilities_add_up(subject: Subject) -> None:
    """The probabilities that all tokens would have as a target are together at most 1."""
    nats = torch.stack([_nats(subject, _ending_with(token))[-1][:, -1] for token in range(SIZE)])
    sums = nats.double().neg().exp().sum(0)  # of each row
    expect(bool((sums <= 1 + 1e-3).all()), "probabilities that add up to 1", sums.tolist())


def _ending_with(token: int) -> list[Batch]:
    """The batches, with another last target in each row."""
    *batches, last = _batches()
    targets = last.targets.clone()
    targets[:, -1] = token
    return [*batches, last._replace(targets=targets)]


def evaluations_repeat(subject: Subject) -> None:
    """Another pass gives the same nats, to the bit, and no global random state is touched."""
    first = _nats(subject, _batches())
    with random_states_left_alone():
        again = _nats(subject, _batches())
    expect(all(map(torch.equal, first, again)), "the same nats in another pass", "others")


def method_follows_the_device(subject: Subject) -> None:
    """Tensors are made on the device of the batches."""
    batches, model, method = _batches(), _model(), _built(subject)
    expect_nothing_elsewhere(lambda: method, lambda made: made.nats(model, iter(batches)))
