"""Scoring a split: the same number however it is computed, every target once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.embeddings import OneHot
from seqlab_plugins.heads import Linear
from torch.nn import functional

import seqlab
from benchmarks.plain_model import objective
from seqlab import CorpusError, Tokens, read_experiment
from seqlab.experiment.sections import Model
from seqlab.model.language_model import LanguageModel
from seqlab.registry import resolve
from seqlab.runs.building import build
from seqlab.training.evaluation import evaluate
from seqlab.training.metrics import TokenSizes

CPU = torch.device("cpu")


@pytest.fixture
def parts(full, registry):
    """A model in double precision, and what it is to be scored on."""

    def parts(cell="gru"):
        built = build(resolve(read_experiment(full | {"cell": {"name": cell}}), registry))
        built.model.double()
        return built

    return parts


def plain(model, ids, rows) -> float:
    """Sum of nats: each stream in one piece, from a fresh state, by torch's own cross entropy."""
    stride = math.ceil((len(ids) - 1) / rows)
    total = 0.0
    for start in range(0, len(ids) - 1, stride):
        stream = torch.tensor(ids[start : start + stride + 1].astype(np.int64))[None]
        with torch.no_grad():
            logits, _ = model.eval()(stream[:, :-1], None)
        total += float(functional.cross_entropy(logits[0], stream[0, 1:], reduction="sum"))
    return total


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("rows", [1, 7, 16])
def test_the_loss_is_that_of_a_plain_loop_whatever_batch_and_window(cell, rows, parts):
    built = parts(cell)
    tokens = built.prepared.tokens
    expected = plain(built.model, tokens.ids, rows)
    for batch_size in (1, 7, 32):
        for window in (10, 35, 64):
            sums = evaluate(
                built.model, tokens, built.sizes, rows=rows, batch_size=batch_size, window=window
            )
            assert float(sums.values[0]) == pytest.approx(expected, rel=1e-9)
            assert float(sums.values[1]) == len(tokens) - 1


class Uniform(LanguageModel):
    """Holds every token for equally likely, and has no state to speak of."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__(
            vocabulary, Model(), embedding=OneHot, cell=Nothing, head=Linear, objective=objective
        )
        torch.nn.init.zeros_(self.head.bias)

    def hidden(self, ids, state):
        return torch.zeros(*ids.shape, self.head.in_features), (torch.zeros(len(ids), 1),)


class Nothing(torch.nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size


@settings(deadline=None, max_examples=100)
@given(st.integers(2, 40), st.integers(1, 45), st.integers(1, 45), st.integers(1, 45))
def test_every_target_is_scored_once(count, rows, batch_size, window):
    tokens = Tokens(np.arange(count), np.array([0]))
    powers = TokenSizes((2.0 ** torch.arange(count, dtype=torch.float64)).expand(3, -1))
    sums = evaluate(Uniform(count), tokens, powers, rows=rows, batch_size=batch_size, window=window)
    assert sums.values[1:4].tolist() == [count - 1, 2.0**count - 2, 2.0**count - 2]


def plain_documents(model, tokens) -> tuple[float, int]:
    """Sum of nats and targets: each document alone, by torch's own cross entropy."""
    total, count = 0.0, 0
    for start, stop in zip(tokens.documents, [*tokens.documents[1:], len(tokens)], strict=True):
        if stop - start < 2:
            continue
        ids = torch.tensor(tokens.ids[start:stop].astype(np.int64))[None]
        with torch.no_grad():
            logits, _ = model.eval()(ids[:, :-1], None)
        total += float(functional.cross_entropy(logits[0], ids[0, 1:], reduction="sum"))
        count += int(stop - start) - 1
    return total, count


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_fresh_documents_are_scored_each_by_itself_whatever_rows_and_window(cell, parts):
    built = parts(cell)
    ids = built.prepared.tokens.ids[:220]
    lengths = np.array([1, 0, 7, 2, 70, 3, 3, 3, 40, 1, 20, 2, 65])
    tokens = Tokens(np.asarray(ids), np.append(0, np.cumsum(lengths)))
    expected, count = plain_documents(built.model, tokens)
    for rows in (1, 3, 16):
        for window in (1, 10, 64):
            sums = evaluate(built.model, tokens, built.sizes, rows=rows, fresh=True, window=window)
            assert float(sums.values[0]) == pytest.approx(expected, rel=1e-9)
            assert float(sums.values[1]) == count


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5),  # float64 adds powers up to 2**53
    st.integers(1, 9),
    st.none() | st.integers(1, 9),
    st.integers(1, 9),
)
def test_every_target_but_the_first_of_a_document_is_scored_once(lengths, rows, at_once, window):
    starts = np.append(0, np.cumsum(lengths))[:-1]
    count = sum(lengths)
    firsts = {int(start) for start, length in zip(starts, lengths, strict=True) if length}
    tokens = Tokens(np.arange(count), starts)
    sizes = TokenSizes((2.0 ** torch.arange(max(count, 1), dtype=torch.float64)).expand(3, -1))
    targets = [token for token in range(count) if token not in firsts]
    if not targets:
        with pytest.raises(CorpusError, match="nothing to score"):
            evaluate(Uniform(max(count, 1)), tokens, sizes, rows=rows, fresh=True)
        return
    sums = evaluate(
        Uniform(count), tokens, sizes, rows=rows, fresh=True, batch_size=at_once, window=window
    )
    assert sums.values[1:3].tolist() == [len(targets), float(sum(2.0**i for i in targets))]


@pytest.fixture
def by_documents(tiny, registry):
    """Train on short documents, each from a fresh state; as the experiment has it, or not."""
    lines = [f"{'abcdefgh'[n % 8] * (n % 5 + 1)}\n" for n in range(120)]
    for number, line in enumerate(lines):
        Path("parts").mkdir(exist_ok=True)
        Path("parts", f"{number:03}.txt").write_text(line)

    def by_documents(**evaluation):
        sections = {
            "corpus": {"name": "text", "path": "parts/*.txt", "holdout": 0.2},
            "sampler": {"name": "documents", "batch_size": 4, "window": 3},
            "evaluation": {"every": "1 epoch", **evaluation},
        }
        return seqlab.run(tiny | sections, registry=registry)

    return by_documents


def test_evaluation_follows_the_way_that_documents_are_trained(by_documents):
    run = by_documents(rows=200)
    losses = [run.evaluate(rows=rows)["loss"] for rows in (1, 7, 20, 200)]
    assert losses == pytest.approx([run.metrics[-1]["loss"]] * 4, rel=1e-6)
    assert run.evaluate(batch_size=3, window=2)["loss"] == pytest.approx(losses[0], rel=1e-6)
    assert run.evaluate()["tokens"] < run.evaluate(documents="carried")["tokens"]


def test_an_experiment_may_evaluate_in_another_way_than_it_trains(by_documents):
    run = by_documents(documents="carried")
    assert run.evaluate()["tokens"] == run.evaluate(documents="carried")["tokens"]
    assert run.metrics[-1]["tokens"] == run.evaluate()["tokens"]


def test_a_split_whose_documents_have_one_token_each_is_named_before_training(tiny, drop):
    drop(
        """
        import seqlab

        class Singles:
            splits = ("train", "valid")

            def documents(self, split):
                yield from ["abcabc"] * 50 if split == "train" else "abc"

            def fingerprint(self):
                return "singles"

        @seqlab.hookimpl
        def seqlab_register_corpora():
            return {"singles": Singles}
        """
    )
    sections = {"corpus": "singles", "sampler": {"name": "documents"}, "evaluation": {}}
    with pytest.raises(CorpusError, match="split 'valid' has nothing to score: none of its 3"):
        seqlab.run(tiny | sections)


@pytest.mark.parametrize("count", [0, 1])
def test_a_split_with_no_target_is_refused(count):
    tokens = Tokens(np.arange(count), np.array([0]))
    sizes = TokenSizes(torch.ones(3, 2, dtype=torch.float64))
    with pytest.raises(CorpusError, match=f"a split of {count} tokens has nothing to score"):
        evaluate(Uniform(2), tokens, sizes, rows=1)


def test_dropout_is_off(full, registry):
    run = seqlab.run(full | {"model": {"embedding": 8, "dropout": 0.9}}, registry=registry)
    assert run.evaluate()["loss"] == run.evaluate()["loss"]


def test_a_run_is_scored_as_it_was_while_it_trained(full, registry):
    run = seqlab.run(full, registry=registry)
    assert run.evaluate()["loss"] == pytest.approx(run.metrics[-1]["loss"], rel=1e-9)


def test_looking_changes_nothing_of_the_training(full, registry, facts):
    del full["train"]["stop"]
    often = seqlab.run(full | {"evaluation": {"every": 1}}, registry=registry)
    rarely = seqlab.run(full | {"evaluation": {"every": 20}}, registry=registry)
    assert facts(often)["weights"] == facts(rarely)["weights"]


@pytest.fixture
def chinese(tiny, registry):
    Path("lyrics.txt").write_text("想要有直升机想要和你飞到宇宙去" * 40, "utf-8")
    corpus = {"name": "text", "path": "lyrics.txt", "holdout": 0.2}
    return seqlab.run(tiny | {"corpus": corpus}, registry=registry)


def test_bits_of_chinese_come_from_its_characters_and_its_three_times_as_many_bytes(chinese):
    result = chinese.evaluate("valid")
    assert result["bits_per_character"] == pytest.approx(result["loss"] / math.log(2))
    assert result["bits_per_byte"] == pytest.approx(result["bits_per_character"] / 3)
    assert result["perplexity"] == pytest.approx(math.exp(result["loss"]))
    assert result["tokens"] == 120 - 1


def test_a_mixture_counts_the_bytes_of_what_was_scored(tiny, registry):
    Path("mixed.txt").write_text("a猫" * 300, "utf-8")
    corpus = {"name": "text", "path": "mixed.txt", "holdout": 0.2}
    result = seqlab.run(tiny | {"corpus": corpus}, registry=registry).evaluate("valid")
    ratio = result["bits_per_character"] / result["bits_per_byte"]
    assert ratio == pytest.approx((60 * 3 + 59 * 1) / 119)


WEIGHTED = """
    import numpy as np
    from seqlab import Ids, hookimpl

    class Copying:
        '''Counts up; only every third token is asked for.'''

        splits = ("train", "valid")

        def documents(self, split):
            ids = np.arange(600) % 6
            yield Ids(ids, (ids % 3 == 0).astype(np.float32))

        def fingerprint(self):
            return "copying"

    @hookimpl
    def seqlab_register_corpora():
        return {"copying": Copying}
"""


def test_accuracy_is_measured_where_a_corpus_sets_weights(tiny, drop):
    drop(WEIGHTED)
    sections = {"corpus": "copying", "tokenizer": "ids", "evaluation": {}, "train": {"epochs": 9}}
    run = seqlab.run(tiny | sections)
    valid = [row for row in run.metrics if row["split"] == "valid"]
    assert (valid[-1]["accuracy"], valid[-1]["tokens"]) == (1.0, 199)
    assert run.evaluate()["accuracy"] == 1.0


def test_accuracy_is_not_measured_elsewhere(chinese):
    assert chinese.evaluate("valid")["accuracy"] is None
