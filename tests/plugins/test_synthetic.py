"""Tasks made of chance: what their sequences are, and that each is a row by itself."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.corpora.synthetic import AssociativeRecall, Chance, Copy
from seqlab_plugins.samplers import Random
from seqlab_plugins.tokenizers.basic import TokenIds

import seqlab
from seqlab.data.tokens import encode
from seqlab.training.evaluation import stream_batches

TASKS = {
    "copy": {"symbols": 3, "alphabet": 5},
    "associative_recall": {"pairs": 2, "keys": 4, "values": 3, "length": 12},
}
SIZES = {"train": 12, "valid": 5, "test": 4}
LENGTHS = {"copy": 7, "associative_recall": 12}
every_task = pytest.mark.parametrize("name", TASKS)
relaxed = settings(deadline=None, max_examples=50)


@pytest.fixture
def make(registry):
    def make(name, **options):
        factory = registry.find("corpus", name).factory
        return factory(**(TASKS[name] | SIZES | options))

    return make


def encoded(corpus, split="train") -> seqlab.Tokens:
    tokenizer = TokenIds()
    tokenizer.fit(corpus.documents("train"))
    parts = list(encode(corpus.documents(split), tokenizer))
    weights = [
        part.weights if part.weights is not None else np.ones(len(part.ids)) for part in parts
    ]
    starts = np.cumsum([0, *(len(part.ids) for part in parts)])[:-1]
    begins = [int(start) for start, part in zip(starts, parts, strict=True) if part.begins]
    ids = np.concatenate([part.ids for part in parts])
    return seqlab.Tokens(ids, np.array(begins), np.concatenate(weights))


def drawn(corpus, split) -> set[bytes]:
    return {document.ids.tobytes() for document in corpus.documents(split)}


@st.composite
def recalls(draw):
    """Any associative recall, its options, and one of its sequences."""
    pairs = draw(st.integers(1, 9))
    sizes = {name: draw(st.integers(pairs, pairs + 20)) for name in ("keys", "values")}
    length = draw(st.integers(4 * pairs + 1, 4 * pairs + 30))
    power = draw(st.floats(0.01, 2))
    corpus = AssociativeRecall(
        pairs=pairs, length=length, power=power, seed=draw(st.integers(0, 2**70)), **sizes
    )
    (sequence,) = islice(corpus.documents("train"), 1)
    return sequence, {"pairs": pairs, "length": length, **sizes}


@relaxed
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**70))
def test_a_copy_is_a_string_a_separator_and_the_string_again(symbols, alphabet, seed):
    corpus = Copy(symbols=symbols, alphabet=alphabet, train=3, seed=seed)
    for ids, weights in corpus.documents("train"):
        assert ids[:symbols].tolist() == ids[symbols + 1 :].tolist()
        assert ids[symbols] == alphabet > ids[:symbols].max()
        assert weights.tolist() == [0] * (symbols + 1) + [1] * symbols


@relaxed
@given(recalls())
def test_each_pair_is_asked_for_once_and_only_its_answer_counts(drawn):
    (ids, weights), options = drawn
    context = ids[: 2 * options["pairs"]].reshape(-1, 2).tolist()
    (answers,) = np.nonzero(weights)
    asked = [[int(ids[index - 1]), int(ids[index])] for index in answers]
    assert sorted(asked) == sorted(context)
    assert min(answers) > 2 * options["pairs"]
    assert set(weights.tolist()) <= {0, 1}


@relaxed
@given(recalls())
def test_keys_values_and_the_filler_have_ids_of_their_own(drawn):
    (ids, _), options = drawn
    keys, values = ids[0 : 2 * options["pairs"] : 2], ids[1 : 2 * options["pairs"] : 2]
    assert len(set(keys)) == len(set(values)) == options["pairs"]
    assert max(keys) < options["keys"] <= min(values)
    filler = options["keys"] + options["values"]
    assert max(values) < ids[2 * options["pairs"]] == filler == max(ids)
    assert len(ids) == options["length"]


def places(power, count=2000) -> np.ndarray:
    """Which of eight places the first key of each sequence comes back at, counted."""
    corpus = AssociativeRecall(pairs=1, length=19, power=power, train=count)
    queries = [np.argmax(d.weights) for d in corpus.documents("train")]
    return np.bincount((np.array(queries) - 4) // 2, minlength=8) / count


@pytest.mark.parametrize("power", [0.01, 0.5, 1.0])
def test_queries_come_back_by_the_power_law(power):
    shares = np.arange(1, 9) ** (power - 1)
    assert places(power) == pytest.approx(shares / shares.sum(), abs=0.04)


def test_places_are_drawn_one_after_another_as_numpy_draws_them():
    shares = np.array([4.0, 2.0, 1.0, 1.0])
    ours = [tuple(Chance(0, 0, number).distinct(shares, 2)) for number in range(4000)]
    for first, second in [(0, 1), (1, 0), (2, 3)]:
        rest = 8 - shares[first]
        expected = shares[first] / 8 * shares[second] / rest
        assert ours.count((first, second)) / 4000 == pytest.approx(expected, abs=0.03)


@every_task
def test_the_splits_have_as_many_sequences_as_asked_for_all_of_one_length(make, name):
    for split, count in SIZES.items():
        lengths = [len(document.ids) for document in make(name).documents(split)]
        assert lengths == [LENGTHS[name]] * count


@every_task
def test_no_two_splits_are_drawn_alike(make, name):
    longer = {"symbols": 9} if name == "copy" else {"keys": 40, "values": 40}
    sets = [drawn(make(name, **longer), split) for split in SIZES]
    assert len(set.union(*sets)) == sum(SIZES.values())


@every_task
def test_a_sequence_stays_what_it_is_however_many_there_are(make, name):
    few, many = (make(name, train=count).documents("train") for count in (3, 9))
    assert [d.ids.tolist() for d in few] == [d.ids.tolist() for d in islice(many, 3)]


def test_a_sequence_is_the_same_for_all_time():
    (sequence,) = islice(Copy(symbols=8, alphabet=10, seed=7).documents("valid"), 1)
    assert sequence.ids.tolist()[:8] == [3, 3, 5, 0, 3, 9, 0, 2]


@every_task
def test_the_fingerprint_is_that_of_the_sequences(make, name):
    fingerprint = make(name).fingerprint()
    assert make(name).fingerprint() == fingerprint
    changes = [{"seed": 1}, {"train": 13}, {"valid": 6}, {"test": 3}]
    assert len({make(name, **change).fingerprint() for change in changes} | {fingerprint}) == 5


@every_task
def test_a_sequence_that_moves_from_one_split_to_the_next_changes_the_fingerprint(make, name):
    sizes = [{"valid": 4, "test": 5}, {"valid": 5, "test": 4}]
    assert len({make(name, **size).fingerprint() for size in sizes}) == 2


@every_task
def test_each_sequence_of_any_split_has_the_largest_id(make, name):
    assert {max(d.ids) for split in SIZES for d in make(name).documents(split)} == {
        {"copy": 5, "associative_recall": 7}[name]
    }


@every_task
def test_every_training_row_is_one_whole_sequence_with_a_fresh_state(make, name):
    sampler = Random(encoded(make(name)), 0, batch_size=5, window=LENGTHS[name], partial="keep")
    batches = [sampler.batch(0, index) for index in range(len(sampler))]
    rows = torch.cat([batch.inputs for batch in batches]).tolist()
    assert not any(batch.continues.any() for batch in batches)
    assert sorted(rows) == sorted(d.ids.tolist() for d in make(name).documents("train"))


@every_task
def test_every_target_that_counts_is_trained_in_the_row_of_its_sequence(make, name):
    sampler = Random(encoded(make(name)), 0, batch_size=5, window=LENGTHS[name], partial="keep")
    for index in range(len(sampler)):
        batch = sampler.batch(0, index)
        assert not batch.weights[:, -1].any()  # there the next sequence begins
        assert batch.weights.sum() == len(batch.inputs) * (3 if name == "copy" else 2)
        inside = batch.weights[:, :-1] > 0
        assert batch.targets[:, :-1][inside].equal(batch.inputs[:, 1:][inside])


@every_task
def test_every_row_of_an_evaluation_is_one_whole_sequence_with_a_fresh_state(make, name):
    ((_, batch),) = stream_batches(encoded(make(name), "valid"), rows=5, batch_size=5, window=128)
    assert not batch.continues.any()
    assert batch.inputs.tolist() == [d.ids.tolist() for d in make(name).documents("valid")]
    assert batch.weights.sum() == 5 * (3 if name == "copy" else 2)


@pytest.mark.parametrize("options", [{"keys": 1}, {"values": 1}, {"length": 8}])
def test_a_recall_that_has_no_room_is_refused(make, options):
    with pytest.raises(ValueError, match="2 pairs need"):
        make("associative_recall", **options)


@pytest.fixture
def run(registry):
    """Train on a task, and return the accuracy on the held-out split after each epoch."""

    def run(epochs, **corpus):
        experiment = {
            "corpus": {"name": "copy", "symbols": 2, "alphabet": 4, "valid": 32, **corpus},
            "tokenizer": "ids",
            "sampler": {"name": "random", "batch_size": 16, "window": 5, "partial": "keep"},
            "model": {"embedding": 8},
            "cell": {"name": "gru", "hidden_size": 32},
            "optimizer": {"name": "adam", "lr": 0.01},
            "evaluation": {"every": "1 epoch", "rows": 32},
            "train": {"epochs": epochs},
        }
        rows = seqlab.run(experiment, registry=registry).metrics
        return [row["accuracy"] for row in rows if row["split"] == "valid"]

    return run


def test_a_gru_learns_to_copy_two_symbols(run):
    assert run(4, train=512)[-1] > 0.95


def test_text_is_no_tokenizer_for_a_task(tiny, registry):
    with pytest.raises(seqlab.CorpusError, match="use `tokenizer: ids`"):
        seqlab.run(tiny | {"corpus": "copy"}, registry=registry)


def test_mixed_numbers_of_pairs_fill_sequences_and_have_splits_of_their_own(make):
    corpus = make("associative_recall", pairs=3, length=26, mixed=[1, 2], train=60)
    assert corpus.splits == ("train", "valid", "test", "pairs_1", "pairs_2")
    for split, (pairs, length) in {"valid": (3, 26), "pairs_1": (1, 8), "pairs_2": (2, 12)}.items():
        for ids, weights in corpus.documents(split):
            assert (len(ids), weights.sum()) == (length, pairs)
    answers = {float(weights.sum()) for _, weights in corpus.documents("train")}
    assert answers == {3 * 1, 2 * 2, 3}
    assert {len(ids) for ids, _ in corpus.documents("train")} == {26}


def test_other_numbers_of_pairs_are_fewer(make):
    with pytest.raises(ValueError, match="different numbers below 2, that of `pairs`"):
        make("associative_recall", pairs=2, mixed=[2])
