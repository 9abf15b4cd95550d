"""What an embedding promises. Shapes: B rows, T window, E size of a vector, V vocabulary size."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from seqlab.contracts import State, offered
from seqlab.model.signature import takes_state
from seqlab.model.state import leaves, map_state, select_rows
from seqlab.testing.default_device import expect_nothing_elsewhere
from seqlab.testing.modules import (
    Make,
    built,
    expect_dtype,
    expect_equal_after_saving,
    expect_gradients,
    expect_seeds_decide,
)
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.vocabularies import SIZE, letters

ROWS, WINDOW, LONG, CLOSE = 5, 33, 257, 1e-5


def _maker(subject: Subject) -> Make:
    return partial(subject.build, letters())


def _ids(rows: int = ROWS, window: int = WINDOW) -> Tensor:
    """Every id once, then some again."""
    more = torch.randint(SIZE, (rows * window,), generator=torch.Generator().manual_seed(1))
    return torch.cat((torch.arange(SIZE), more))[: rows * window].view(rows, window)


def _embed(embedding: Any, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    if takes_state(embedding.forward, 1):
        vectors, after = embedding(ids, state)
        return vectors, after
    return embedding(ids), ()


def _vectors(embedding: Any) -> Tensor:
    return _embed(embedding, _ids())[0]


def _close(found: Tensor, wanted: Tensor, promise: str) -> None:
    same = found.shape == wanted.shape and torch.allclose(found, wanted, atol=CLOSE)
    expect(same, promise, "they differ")


def embedding_has_the_right_shapes(subject: Subject) -> None:
    """Ids (B, T) of any size give vectors (B, T, output_size)."""
    embedding = built(_maker(subject))
    size = offered(embedding, "output_size")
    expect(isinstance(size, int), "an integer `output_size`", size)
    for rows, window in ((ROWS, WINDOW), (1, 1), (65, LONG)):
        shape, wanted = _embed(embedding, _ids(rows, window))[0].shape, (rows, window, size)
        expect(tuple(shape) == wanted, f"vectors of the shape {wanted}", tuple(shape))


def embedding_rows_are_independent(subject: Subject) -> None:
    """A row alone has the vectors that it has in a batch."""
    embedding, ids = built(_maker(subject)), _ids()
    whole = _embed(embedding, ids)[0]
    _close(_embed(embedding, ids[2:3])[0], whole[2:3], "a row alone to have the same vectors")


def embedding_windows_join(subject: Subject) -> None:
    """Two windows that carry the state have the vectors of one, and nothing is read ahead."""
    embedding = built(_maker(subject))
    for ids, cut in ((_ids(), 10), (_ids(2, LONG), 100)):
        whole = _embed(embedding, ids)[0]
        first, state = _embed(embedding, ids[:, :cut])
        second = _embed(embedding, ids[:, cut:], state)[0]
        _close(torch.cat((first, second), 1), whole, "two windows to have the vectors of one")


def embedding_state_keeps_the_rules(subject: Subject) -> None:
    """The rows of the batch are first in every tensor of a state, and zeros are a fresh row."""
    embedding, ids = built(_maker(subject)), _ids()
    if not takes_state(embedding.forward, 1):
        raise NotApplicable("it carries no state")
    fresh, state = _embed(embedding, ids)
    sizes = {len(part) for part in leaves(state)}
    expect(sizes <= {ROWS}, f"{ROWS} rows first in every tensor of the state", sizes)
    zeros = map_state(torch.zeros_like, state)
    _close(_embed(embedding, ids, zeros)[0], fresh, "a state of zeros to be a fresh one")
    turned = torch.arange(ROWS).flip(0)
    after = _embed(embedding, ids[turned], select_rows(state, turned))[0]
    _close(after[turned], _embed(embedding, ids, state)[0], "rows to go with their state")


def table_is_what_it_says(subject: Subject) -> None:
    """With `is_table` the vector of a token is its row of `weight`."""
    embedding, ids = built(_maker(subject)), _ids()
    if offered(embedding, "is_table") is not True:
        raise NotApplicable("it does not say that it is a table")
    weight = embedding.weight
    expect(tuple(weight.shape) == (SIZE, embedding.output_size), "a `weight` (V, E)", weight.shape)
    _close(_vectors(embedding), functional.embedding(ids, weight), "vectors to be rows of `weight`")


def one_hots_are_one_hots(subject: Subject) -> None:
    """With `is_one_hot` the vectors are one-hots."""
    embedding, ids = built(_maker(subject)), _ids()
    if offered(embedding, "is_one_hot") is not True:
        raise NotApplicable("it does not say that it is one-hot")
    wanted = functional.one_hot(ids, SIZE).float()
    _close(_vectors(embedding), wanted, "vectors to be one-hots")


def embedding_follows_the_dtype(subject: Subject) -> None:
    """Vectors have the dtype of the model."""
    expect_dtype(_maker(subject), lambda embedding, _: _vectors(embedding))


def embedding_follows_the_device(subject: Subject) -> None:
    """Tensors are made on the device of the ids, and those that are kept are buffers."""
    ids = _ids()

    def results(embedding: Any) -> list[Tensor]:
        vectors, after = _embed(embedding, ids)
        return [vectors, *leaves(after)]

    expect_nothing_elsewhere(partial(built, _maker(subject)), results)


def gradients_reach_the_embedding(subject: Subject) -> None:
    """Every parameter that is trained has a gradient that is not all zero."""
    expect_gradients(_maker(subject), _vectors)


def embedding_survives_saving(subject: Subject) -> None:
    """Another embedding that loads the `state_dict` gives the same, to the bit."""
    expect_equal_after_saving(_maker(subject), _vectors)


def seed_decides_the_embedding(subject: Subject) -> None:
    """Under one seed embeddings are built and train alike; none draws in evaluation."""
    expect_seeds_decide(_maker(subject), _vectors)
