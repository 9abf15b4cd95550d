"""Beam search beside brute force."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from seqlab import Limits, Start

V = 3


class Chain:
    """A model whose next token depends on the last two and on the place: its state."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = 2 * torch.randn(120, V, V, V, generator=generator, dtype=torch.float64)

    def __call__(self, ids, state):
        position, (before,) = state
        return self.table[position, before, ids], (position + 1, (ids,))

    def start(self, firsts):
        ids = torch.tensor(firsts)
        logits, state = self(ids, (ids * 0, (ids * 0,)))
        return Start(logits, state, ids[:, None], ids)

    def score(self, first, ids) -> float:
        before, last, total = 0, first, 0.0
        for position, token in enumerate(ids):
            total += float(self.table[position, before, last].log_softmax(-1)[token])
            before, last = last, token
        return total


@pytest.fixture
def beam(registry):
    return registry.find("decoder", "beam").factory


def every(model, first, limits, power=0.0):
    """All continuations there are, the best first: (value, ids)."""
    values = {}
    for ids in product(range(V), repeat=limits.length):
        end = next(n for n in range(1, limits.length + 1) if limits.ended(ids[:n]))
        value = model.score(first, ids[:end]) / ((5 + end) / 6) ** power
        values[ids[:end]] = value
    return sorted(((value, ids) for ids, value in values.items()), reverse=True)


LIMITS = [
    Limits(4),
    Limits(4, frozenset({1})),
    Limits(4, stop_text=lambda ids: tuple(ids[-2:]) == (2, 0)),
]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("power", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_is_wide_enough_finds_the_best_in_their_order(beam, limits, power, seed):
    model, width = Chain(seed), V**4
    rows = beam(beams=width, length_penalty=power).search(model, model.start([0, 1, 2]), limits)
    for first, row in enumerate(rows):
        expected = every(model, first, limits, power)[:width]
        assert [continuation.ids for continuation in row] == [ids for _, ids in expected]
        scores = [model.score(first, ids) for _, ids in expected]
        assert [continuation.score for continuation in row] == pytest.approx(scores)


@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_beam_is_the_search_that_one_would_write(beam, seed):
    model, width = Chain(seed), 2
    kept = [()]
    for _ in range(5):
        grown = [(*ids, token) for ids in kept for token in range(V)]
        kept = sorted(grown, key=lambda ids: -model.score(1, ids))[:width]
    (row,) = beam(beams=width).search(model, model.start([1]), Limits(5))
    assert [continuation.ids for continuation in row] == kept


def test_one_beam_is_greedy(beam, registry):
    from seqlab.generation.search import as_search

    model, greedy = Chain(3), registry.find("decoder", "greedy").factory()
    (first,) = beam(beams=1).search(model, model.start([2]), Limits(9))
    (second,) = as_search(greedy, 0)(model, model.start([2]), Limits(9))
    assert first[0].ids == second[0].ids


def test_a_row_that_is_done_asks_the_model_no_more(beam):
    class Asked(Chain):
        rows = 0

        def __call__(self, ids, state):
            self.rows += len(ids)
            return super().__call__(ids, state)

    model = Asked()
    start = model.start([0, 1, 2])
    model.rows = 0
    beam(beams=2).search(model, start, Limits(100, frozenset(range(V))))
    assert model.rows == 0


def test_what_is_impossible_is_in_no_continuation(beam):
    model = Chain()
    model.table[..., 1] = -torch.inf
    (row,) = beam(beams=99).search(model, model.start([0]), Limits(3))
    assert len(row) == 2**3
    assert not any(1 in continuation.ids for continuation in row)
