"""Which windows are trained: the textbook's, each target once, nothing remembered."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqlab_plugins.samplers import Consecutive, Documents, Random, Ranges

from seqlab import CorpusError, Tokens

relaxed = settings(deadline=None, max_examples=100)


def numbered(count: int, weights=None) -> Tokens:
    """Tokens whose ids are their positions, so that a batch shows where it was cut."""
    return Tokens(np.arange(count), np.array([0]), weights)


def batches(sampler, epoch=0):
    return [sampler.batch(epoch, index) for index in range(len(sampler))]


def counts(batch) -> torch.Tensor:
    """Which targets of a batch count: (B, T) bool."""
    everywhere = torch.ones_like(batch.targets, dtype=torch.bool)
    return everywhere if batch.weights is None else batch.weights > 0


@st.composite
def samplers(draw, kinds=(Consecutive, Random), partials=("drop", "keep")):
    """Any sampler that a corpus is long enough for."""
    batch_size, window = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    partial = draw(st.sampled_from(partials))
    shortest = batch_size * (window + 1) if partial == "drop" else 2
    tokens = numbered(draw(st.integers(shortest, shortest + 120)))
    options = {"batch_size": batch_size, "window": window, "partial": partial}
    if kinds == (Random,):
        options["windows"] = "anywhere"
    return draw(st.sampled_from(kinds))(tokens, draw(st.integers(0, 3)), **options)


def anywhere():
    """Samplers of windows that begin at any token."""
    return samplers(kinds=(Random,))


@st.composite
def documents(draw):
    """The sampler `documents`, over documents of any lengths, even 0."""
    lengths = draw(st.lists(st.integers(0, 30), min_size=1, max_size=20))
    lengths[draw(st.integers(0, len(lengths) - 1))] += 2  # one has a target
    starts = np.cumsum([0, *lengths])[:-1]
    tokens = Tokens(np.arange(sum(lengths)), starts)
    options = {"batch_size": draw(st.integers(1, 5)), "window": draw(st.integers(1, 9))}
    return Documents(tokens, draw(st.integers(0, 3)), **options)


def kept_with_an_empty_row() -> Consecutive:
    """Five targets in four rows of two: the last row gets none."""
    return Consecutive(numbered(6), 0, batch_size=4, window=2, partial="keep")


def textbook_consecutive(ids, batch_size, window):
    """d2l's data_iter_consecutive."""
    length = len(ids) // batch_size
    rows = ids[: batch_size * length].view(batch_size, length)
    for start in range(0, (length - 1) // window * window, window):
        yield rows[:, start : start + window], rows[:, start + 1 : start + window + 1]


@pytest.mark.parametrize("count", [100, 101, 107, 10_000])
@pytest.mark.parametrize(("batch_size", "window"), [(2, 6), (32, 2), (3, 5)])
def test_consecutive_batches_are_the_textbooks(count, batch_size, window):
    sampler = Consecutive(numbered(count), 0, batch_size=batch_size, window=window)
    expected = list(textbook_consecutive(torch.arange(count), batch_size, window))
    assert len(sampler) == len(expected)
    for batch, (inputs, targets) in zip(batches(sampler), expected, strict=True):
        assert batch.inputs.equal(inputs)
        assert batch.targets.equal(targets)


def test_the_textbooks_10000_characters_make_8_batches_of_32_by_35():
    sampler = Consecutive(numbered(10_000), 0, batch_size=32, window=35)
    assert len(sampler) == 8
    assert sum(map(len, sampler.left_out(0))) == 9_999 - 8 * 32 * 35


@pytest.mark.parametrize("count", [100, 101, 107, 1_000])
def test_random_windows_are_the_textbooks_examples_each_at_most_once(count):
    sampler = Random(numbered(count), 0, batch_size=4, window=6)
    examples = (count - 1) // 6
    starts = torch.cat([batch.inputs[:, 0] for batch in batches(sampler)]).tolist()
    assert len(starts) == len(set(starts)) == examples // 4 * 4
    assert set(starts) <= {6 * number for number in range(examples)}


def test_random_windows_start_with_a_fresh_state():
    sampler = Random(numbered(200), 0, batch_size=4, window=6)
    assert not any(batch.continues.any() for batch in batches(sampler))


def test_random_windows_come_in_another_order_in_every_epoch_and_for_every_seed():
    def order(seed, epoch):
        sampler = Random(numbered(400), seed, batch_size=4, window=6)
        return tuple(torch.cat([b.inputs[:, 0] for b in batches(sampler, epoch)]).tolist())

    assert len({order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)}) == 4


@relaxed
@given(samplers(), st.integers(0, 2))
@example(kept_with_an_empty_row(), 0)
def test_every_target_is_trained_once_or_declared_as_left_out(sampler, epoch):
    trained = torch.cat([b.targets[counts(b)] for b in batches(sampler, epoch)]).tolist()
    left_out = [position for gap in sampler.left_out(epoch) for position in gap]
    assert sorted(trained + left_out) == list(range(1, len(sampler.tokens)))


@relaxed
@given(samplers(partials=("keep",)))
@example(kept_with_an_empty_row())
def test_keeping_what_is_partial_leaves_nothing_out(sampler):
    assert not sampler.left_out(0)


@relaxed
@given(samplers())
def test_targets_are_inputs_shifted_by_one(sampler):
    for batch in batches(sampler):
        inside = counts(batch)
        assert batch.targets[inside].equal(batch.inputs[inside] + 1)
        assert batch.inputs[:, 1:].equal(batch.targets[:, :-1])


@relaxed
@given(samplers())
def test_a_row_that_continues_picks_up_where_it_left_off(sampler):
    for before, batch in pairwise(batches(sampler)):
        rows = (batch.continues & counts(batch)[:, 0]).nonzero()[:, 0]
        assert batch.inputs[rows, 0].equal(before.targets[rows, -1])


@relaxed
@given(samplers(kinds=(Consecutive,)))
def test_all_consecutive_rows_continue_except_at_the_start_of_an_epoch(sampler):
    first, *others = batches(sampler)
    assert not first.continues.any()
    assert all(batch.continues.all() for batch in others)


@relaxed
@given(samplers(), st.data())
def test_a_batch_depends_on_its_epoch_and_index_alone(sampler, data):
    places = [(epoch, index) for epoch in (0, 1) for index in range(len(sampler))]
    once = {place: sampler.batch(*place) for place in places}
    for place in data.draw(st.permutations(places)):
        again = sampler.batch(*place)
        assert again.inputs.equal(once[place].inputs)
        assert again.targets.equal(once[place].targets)


@pytest.mark.parametrize("kind", [Consecutive, Random])
def test_a_corpus_that_is_too_short_says_how_many_tokens_are_needed(kind):
    needed = {Consecutive: 32 * 36, Random: 32 * 35 + 1}[kind]
    with pytest.raises(CorpusError, match=f"it has 99 tokens.*needs {needed:,}"):
        kind(numbered(99), 0, batch_size=32, window=35)


@pytest.mark.parametrize("kind", [Consecutive, Random])
def test_the_shortest_corpus_makes_one_batch(kind):
    needed = {Consecutive: 4 * 6, Random: 4 * 5 + 1}[kind]
    assert len(kind(numbered(needed), 0, batch_size=4, window=5)) == 1


@pytest.mark.parametrize("kind", [Consecutive, Random])
def test_keep_needs_one_target_and_advises_nothing_that_is_already_so(kind):
    with pytest.raises(CorpusError, match="needs 2") as caught:
        kind(numbered(1), 0, batch_size=4, window=5, partial="keep")
    assert "partial: keep" not in str(caught.value)


@pytest.mark.parametrize("kind", [Consecutive, Random])
@pytest.mark.parametrize("partial", ["drop", "keep"])
def test_each_target_keeps_the_weight_of_its_token(kind, partial):
    weights = np.linspace(0.5, 2, 61, dtype=np.float32)
    sampler = kind(numbered(61, weights), 0, batch_size=4, window=5, partial=partial)
    for batch in batches(sampler):
        inside = batch.weights > 0
        assert batch.weights[inside].equal(torch.from_numpy(weights)[batch.targets[inside]])


@pytest.mark.parametrize("kind", [Consecutive, Random])
def test_where_all_targets_count_alike_there_are_no_weights(kind):
    assert all(b.weights is None for b in batches(kind(numbered(61), 0, batch_size=4, window=5)))


def covered(sampler, epoch=0) -> list[int]:
    """Targets that are trained, as often as they are."""
    parts = [batch.targets[counts(batch)] for batch in batches(sampler, epoch)]
    return torch.cat(parts).tolist()


def declared(sampler, epoch=0) -> list[int]:
    return [position for gap in sampler.left_out(epoch) for position in gap]


@relaxed
@given(anywhere(), st.integers(0, 2))
def test_windows_from_anywhere_leave_out_what_they_declare(sampler, epoch):
    trained = set(covered(sampler, epoch))
    left_out = declared(sampler, epoch)
    assert sorted([*trained, *left_out]) == list(range(1, len(sampler.tokens)))


@relaxed
@given(anywhere())
def test_windows_from_anywhere_are_as_many_and_begin_at_different_tokens(sampler):
    options = {"batch_size": sampler.batch_size, "window": sampler.window}
    partial = "keep" if sampler.keep else "drop"
    aligned = Random(sampler.tokens, 0, partial=partial, **options)
    starts = torch.cat([batch.inputs[:, 0] for batch in batches(sampler)]).tolist()
    assert (len(sampler), len(starts)) == (len(aligned), len(set(starts)))


def test_windows_from_anywhere_begin_anywhere():
    sampler = Random(numbered(200), 0, batch_size=4, window=6, windows="anywhere")
    starts = {
        int(s) for epoch in range(60) for b in batches(sampler, epoch) for s in b.inputs[:, 0]
    }
    assert starts == set(range(194))


@relaxed
@given(documents(), st.integers(0, 2))
def test_every_token_of_a_document_but_its_first_is_trained_once(sampler, epoch):
    firsts = set(sampler.tokens.documents.tolist())
    others = [token for token in range(len(sampler.tokens)) if token not in firsts]
    assert sorted(covered(sampler, epoch)) == others
    assert sorted(declared(sampler, epoch)) == sorted(firsts & set(range(1, len(sampler.tokens))))


@relaxed
@given(documents(), st.integers(0, 2))
def test_a_row_walks_through_whole_documents_and_begins_each_one_afresh(sampler, epoch):
    starts = {int(start) for start in sampler.tokens.documents}
    expected = [None] * sampler.batch(epoch, 0).inputs.shape[0]  # where a row goes on
    for batch in batches(sampler, epoch):
        inside = counts(batch)
        for row, (inputs, continues) in enumerate(zip(batch.inputs, batch.continues, strict=True)):
            if not inside[row].any():
                assert not continues
                continue
            first, last = int(inputs[0]), int(batch.targets[row][inside[row]][-1])
            assert continues == (first not in starts)
            assert not continues or first == expected[row]
            assert not starts & set(range(first + 1, last + 1))
            expected[row] = last


def test_rows_get_documents_of_about_the_same_length():
    lengths = np.random.default_rng(0).integers(2, 400, 1000)
    tokens = Tokens(np.arange(lengths.sum()), np.cumsum([0, *lengths])[:-1])
    sampler = Documents(tokens, 0, batch_size=16, window=20)
    windows = -(-(lengths - 1) // 20)
    assert len(sampler) <= windows.sum() / 16 + windows.max()


def test_documents_come_in_another_order_in_every_epoch():
    tokens = Tokens(np.arange(300), np.arange(0, 300, 3))
    sampler = Documents(tokens, 0, batch_size=2, window=2)
    orders = {tuple(covered(sampler, epoch)) for epoch in range(3)}
    assert len(orders) == 3


def test_documents_without_a_target_are_too_short():
    with pytest.raises(CorpusError, match="no document of two tokens"):
        Documents(Tokens(np.arange(3), np.arange(3)), 0)


def test_documents_keep_weights_and_a_map_of_the_file(tmp_path):
    ids = np.memmap(tmp_path / "ids", np.uint16, "w+", shape=60)
    ids[:] = np.arange(60)
    starts = np.memmap(tmp_path / "starts", np.int64, "w+", shape=6)
    starts[:] = np.arange(0, 60, 10)
    weights = np.linspace(0.5, 2, 60, dtype=np.float32)
    for batch in batches(Documents(Tokens(ids, starts, weights), 0, batch_size=2, window=4)):
        inside = counts(batch)
        assert batch.weights[inside].equal(torch.from_numpy(weights)[batch.targets[inside]])


@pytest.mark.parametrize("make", [samplers, anywhere, documents])
def test_workers_with_shares_of_the_rows_do_what_one_does_alone(make):
    @relaxed
    @given(make(), st.integers(1, 4))
    def check(sampler, workers):
        seen = []
        for worker in range(workers):
            before = None
            for whole in batches(sampler):
                batch = whole.share(worker, workers)
                rows = (batch.continues & counts(batch)[:, 0]).nonzero()[:, 0]
                if len(rows):  # what a row continues is in the worker's own batch before
                    assert batch.inputs[rows, 0].equal(before.targets[rows, -1])
                seen += batch.targets[counts(batch)].tolist()
                before = batch
        assert sorted(seen) == sorted(covered(sampler))

    check()


def test_a_share_has_every_part_of_its_rows():
    weights = np.linspace(0.5, 2, 61, dtype=np.float32)
    batch = Consecutive(numbered(61, weights), 0, batch_size=5, window=4).batch(0, 1)
    batch = batch._replace(starts=batch.inputs % 3 == 0)
    share = batch.share(1, 2)
    for part, whole in zip(share, batch, strict=True):
        assert part.equal(whole[[1, 3]])


def test_ranges_are_those_that_are_not_empty():
    ranges = Ranges(np.array([1, 5, 7]), np.array([3, 5, 9]))
    assert list(ranges) == [range(1, 3), range(7, 9)]
    assert list(ranges[1:]) == [range(7, 9)]
