"""A decoder that chooses, lifted to a search: stops, chance, and when it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from seqlab_plugins.decoders.sampling import Greedy

from seqlab import COMPLETE, STUCK, Limits, Start, chooser
from seqlab.errors import PluginError
from seqlab.generation.search import as_search, choose_stepwise

V = 10


class Counting:
    """A model that counts: after token n it is all but sure of n + 1. Its state is the sum."""

    def __init__(self) -> None:
        self.calls = 0

    def logits(self, ids):
        return torch.nn.functional.one_hot((ids + 1) % V, V) * 50.0

    def __call__(self, ids, state):
        self.calls += 1
        return self.logits(ids), state + ids


class Watching(Greedy):
    """Greedy, and writes down what it was given."""

    def __init__(self) -> None:
        self.uniforms, self.histories = [], []

    def choose(self, logits, history, uniform):
        self.uniforms.append(uniform)
        self.histories.append(history.tolist())
        return super().choose(logits, history, uniform)


def search(firsts, limits, decoder=None, seed=0, rows=None, model=None):
    """Continue one-token prefixes; return the best continuation of each."""
    model, history = model or Counting(), torch.tensor(firsts)[:, None]
    rows = torch.arange(len(firsts)) if rows is None else torch.tensor(rows)
    start = Start(model.logits(history[:, 0]), torch.zeros(len(firsts)), history, rows)
    results = as_search(decoder or Greedy(), seed)(model, start, limits)
    return [best for (best,) in results]


def uniforms(firsts, length, **options) -> torch.Tensor:
    """The chance that each row had at each step: (B, length)."""
    watching = Watching()
    search(firsts, Limits(length), watching, **options)
    return torch.stack(watching.uniforms, 1)


def test_without_a_stop_a_continuation_has_the_full_length():
    assert [continuation.ids for continuation in search([0, 7], Limits(4))] == [
        (1, 2, 3, 4),
        (8, 9, 0, 1),
    ]


def test_a_stop_token_ends_its_row_and_is_its_last_token():
    results = search([0, 3, 7], Limits(6, frozenset({5})))
    assert [continuation.ids for continuation in results] == [
        (1, 2, 3, 4, 5),
        (4, 5),
        (8, 9, 0, 1, 2, 3),
    ]


def test_the_first_of_several_stop_tokens_ends_a_row():
    results = search([3, 7], Limits(9, frozenset({5, 7})))
    assert [continuation.ids for continuation in results] == [(4, 5), (8, 9, 0, 1, 2, 3, 4, 5)]


def test_each_token_that_is_left_has_its_log_probability():
    results = search([0, 3], Limits(6, frozenset({5})))
    assert [len(continuation.log_probabilities) for continuation in results] == [5, 2]
    assert results[0].score == pytest.approx(0, abs=1e-6)


def test_the_model_is_not_asked_once_every_row_has_ended():
    model = Counting()
    search([3, 4], Limits(1_000, frozenset({5})), model=model)
    assert model.calls == 1


def test_the_model_is_not_asked_for_a_token_that_nobody_needs():
    model = Counting()
    search([0], Limits(4), model=model)
    assert model.calls == 3


def test_the_history_grows_by_what_was_chosen():
    watching = Watching()
    search([0, 7], Limits(3), watching)
    assert watching.histories == [[[0], [7]], [[0, 1], [7, 8]], [[0, 1, 2], [7, 8, 9]]]


def test_chance_lies_between_0_and_1_and_differs_by_row_and_step():
    chances = uniforms([0] * 50, 40)
    assert chances.min() >= 0
    assert chances.max() < 1
    assert len(chances.unique()) == 50 * 40


def test_chance_is_evenly_spread():
    counts = uniforms([0] * 100, 100).flatten().histc(10, 0, 1)
    assert counts.min() > 900
    assert counts.max() < 1_100


def test_a_row_has_its_own_chance_in_any_company():
    together = uniforms([0, 0, 0], 5, rows=[4, 7, 9])
    assert uniforms([0], 5, rows=[7])[0].equal(together[1])


def test_another_seed_is_another_chance():
    assert not uniforms([0], 5, seed=0).equal(uniforms([0], 5, seed=1))


@pytest.mark.parametrize(
    ("returned", "description"),
    [
        (torch.zeros(2, 1, dtype=torch.int64), r"int64 \(2, 1\)"),
        (torch.zeros(1, dtype=torch.int64), r"int64 \(1,\)"),
        (torch.zeros(2), r"float32 \(2,\)"),
        ([0, 0], "list"),
    ],
)
def test_a_choice_that_is_no_ids_is_refused_with_the_decoders_class(returned, description):
    class Odd:
        def choose(self, logits, history, uniform):
            return returned

    match = rf"decoder Odd: `choose` should .* of 2 rows, int64 \(2,\); it returned {description}$"
    with pytest.raises(PluginError, match=match):
        search([0, 3], Limits(4), Odd())


def test_a_decoder_that_searches_is_used_as_it_is():
    class Searching:
        def search(self, advance, start, limits):
            return "found"

    decoder = Searching()
    assert as_search(decoder, 0)(None, None, Limits(1)) == "found"


class Telling(Greedy):
    """Greedy; writes down its prefix lengths and memory, which counts and knows the first token."""

    def __init__(self) -> None:
        self.lengths, self.memories = [], []

    def choose(self, logits, history, uniform, memory, prefix_lengths):
        self.lengths.append(prefix_lengths.tolist())
        self.memories.append(memory if memory is None else memory[0].tolist())
        before = (history[:, :1], history[:, :0]) if memory is None else memory
        return super().choose(logits, history, uniform), (before[0] + 10, before[1])


def starts(*prefixes):
    """One start for each length of prefix."""
    for rows in prefixes:
        history = torch.tensor(rows)
        logits = Counting().logits(history[:, -1])
        yield Start(logits, torch.zeros(len(rows)), history, torch.arange(len(rows)))


def test_a_memory_comes_back_for_the_rows_that_are_left_of_each_length():
    telling, limits = Telling(), Limits(4, frozenset({5}))
    groups = [*starts([[3], [0]], [[7, 1], [2, 4], [8, 2]])]
    steps = [*choose_stepwise(telling, 0, Counting(), groups, limits)]
    assert [step.rows for step in steps] == [range(5), [0, 1, 2, 4], [1, 2, 4], [1, 2]]
    assert telling.memories == [
        *(None, None),  # the groups one after another, step by step
        *([[13], [10]], [[17], [18]]),  # 4 was followed by 5, so its row ended
        *([[20]], [[27], [28]]),
        *([[30]], [[37]]),
    ]
    assert telling.lengths == [[1, 1], [2, 2, 2], [1, 1], [2, 2], [1], [2, 2], [1], [2]]


class EndsAt(Greedy):
    """Ends a row in place of a token: 5 is complete, 8 stuck."""

    may_end = True

    def choose(self, logits, history, uniform):
        ids = super().choose(logits, history, uniform)
        return torch.where(ids == 5, COMPLETE, torch.where(ids == 8, STUCK, ids))


def test_a_decoder_may_end_a_row_without_a_token():
    results = search([0, 4, 7, 6], Limits(6), EndsAt())
    assert [result.ids for result in results] == [(1, 2, 3, 4), (), (), (7,)]
    assert [result.ended for result in results] == ["complete", "complete", "stuck", "stuck"]
    assert [len(result.log_probabilities) for result in results] == [4, 0, 0, 1]


def test_the_model_is_not_asked_once_a_decoder_has_ended_every_row():
    model = Counting()
    search([3, 7], Limits(1_000), EndsAt(), model=model)
    assert model.calls == 1


def test_rows_that_others_end_go_on_as_alone():
    alone = [search([first], Limits(9, frozenset({3})), EndsAt())[0] for first in (0, 4, 8)]
    assert search([0, 4, 8], Limits(9, frozenset({3})), EndsAt()) == alone


IDS = torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (IDS, r"names `memory`, so it should return ids and memory, not int64 \(2,\)"),
        ((IDS, 3), "a memory of tensors that have the 2 rows of the batch .*; it returned int"),
        ((IDS, torch.zeros(1, 2)), r"it returned float32 \(1, 2\)"),
    ],
)
def test_a_memory_that_is_no_state_of_the_rows_is_refused(returned, problem):
    class Odd:
        def choose(self, logits, history, uniform, memory):
            return returned

    with pytest.raises(PluginError, match=problem):
        search([0, 3], Limits(4), Odd())


def test_around_another_decoder_every_one_is_called_alike(registry):
    logits, history = (
        torch.randn(2, V, generator=torch.Generator().manual_seed(0)),
        torch.ones(2, 3),
    )
    given = logits, history.long(), torch.full((2,), 0.4, dtype=torch.float64), torch.ones(2).long()
    for name in ("greedy", "sample", "mirostat"):
        ids, memory = chooser(registry.find("decoder", name).factory())(*given, None)
        assert ids.shape == (2,)
        assert (memory == ()) == (name != "mirostat")
    with pytest.raises(ValueError, match="Beam has no `choose`: it searches instead"):
        chooser(registry.find("decoder", "beam").factory())


def test_the_chance_of_a_search_follows_from_seed_row_and_number():
    (start,) = starts([[3], [4], [3]])
    assert len({*start.uniform(0).tolist(), *start.uniform(1).tolist()}) == 6
    assert start.uniform(torch.tensor([1, 0, 1]))[1] == start.uniform(0)[1]
    assert not replace(start, seed=1).uniform(0).equal(start.uniform(0))
    chosen = uniforms([3, 4, 3], 2, rows=[0, 1, 2])
    assert chosen[:, 1].equal(start.uniform(1))  # the same numbers that `choose` gets
