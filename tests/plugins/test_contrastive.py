"""Contrastive search beside the formula of the paper, one token after another."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

import seqlab
from seqlab import Limits, Start
from seqlab.testing.decoders.inputs import ToyModel

LENGTH = 20


@pytest.fixture
def contrastive(registry):
    return registry.find("decoder", "contrastive").factory


def by_the_paper(model, start, row, count, penalty):
    """The ids of one row: each candidate is read after the whole text, from the beginning."""
    ids = start.history[row].tolist()
    for _ in range(LENGTH):
        logits, hidden, _ = start.read(torch.tensor([ids]), None)
        shares = logits[0, -1].double().softmax(-1)
        values = {}
        for token in shares.topk(count).indices.tolist():
            vector = start.read(torch.tensor([[*ids, token]]), None)[1][0, -1]
            likeness = cosine_similarity(hidden[0], vector[None], dim=-1).max()
            values[token] = float((1 - penalty) * shares[token] - penalty * likeness)
        ids.append(max(values, key=values.get))
    return ids[start.history.shape[1] :]


@pytest.mark.parametrize(("count", "penalty"), [(5, 0.6), (3, 0.3), (9, 1.0)])
def test_it_chooses_as_the_paper_does(contrastive, count, penalty):

    model = ToyModel()
    start = model.start()
    found = contrastive(candidates=count, penalty=penalty).search(model, start, Limits(LENGTH))
    for row, (continuation,) in enumerate(found):
        assert list(continuation.ids) == by_the_paper(model, start, row, count, penalty)


def test_without_a_penalty_it_is_greedy_and_with_one_it_repeats_less(full_once, registry):

    run = seqlab.open_run(full_once, registry=registry)

    def text(decoder):
        return run.generate(["the", "do"], length=60, overrides=[f"decoder={decoder}"])

    greedy = text("greedy")
    assert [r.ids for r in text("{name: contrastive, penalty: 0.0}")] == [r.ids for r in greedy]
    assert [r.ids for r in text("{name: contrastive, candidates: 1}")] == [r.ids for r in greedy]
    assert [r.ids for r in text("contrastive")] != [r.ids for r in greedy]


def test_a_start_without_a_model_says_so(contrastive):

    ids = torch.tensor([0])
    start = Start(torch.zeros(1, 3), ids, ids[:, None], ids)
    with pytest.raises(TypeError, match="made without a model"):
        contrastive().search(ToyModel(3), start, Limits(2))
