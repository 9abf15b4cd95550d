"""How surprising a text is: the model's own numbers, and those of an evaluation."""

from __future__ import annotations

import math

import pytest
import torch

import seqlab
from seqlab.errors import UsageError
from seqlab.generation.scoring import score


@pytest.fixture
def run(tiny, registry):
    tiny |= {"corpus": tiny["corpus"] | {"holdout": 0.3}, "evaluation": {"rows": 1}}
    return seqlab.run(tiny, registry=registry)


def test_the_surprisal_of_a_token_is_minus_the_logarithm_of_its_probability(run):
    scored = run.score("the lazy dog")
    ids = torch.tensor([scored.ids])
    with torch.no_grad():
        logits = run.model(ids[:, :-1], None)[0][0].log_softmax(-1)
    expected = (-logits[range(11), scored.ids[1:]]).tolist()
    assert scored.surprisal[0] is None
    assert scored.surprisal[1:] == pytest.approx(expected, abs=1e-5)
    assert scored.loss == pytest.approx(sum(expected) / 11, abs=1e-5)


def test_a_text_is_as_surprising_as_what_generated_it_was_probable(run):
    (generated,) = run.generate("the ", length=20, overrides=["decoder=sample"])
    assert run.score(generated.text).surprisal[4:] == pytest.approx(
        [-value for value in generated.log_probabilities], abs=1e-5
    )


def test_scoring_a_whole_split_is_evaluating_it(run, text_file):
    text = text_file.read_text("utf-8")
    scored = run.score(text[-math.floor(len(text) * 0.3) :])
    expected = run.evaluate("valid")
    assert (scored.loss, scored.perplexity, scored.bits_per_character) == pytest.approx(
        (expected["loss"], expected["perplexity"], expected["bits_per_character"]), rel=1e-5
    )


def test_a_text_longer_than_a_window_is_read_on_with_its_state(run):
    text = "the quick brown fox " * 60  # 1,200 tokens in windows of 512
    ids = torch.from_numpy(run.tokenizer.encode(text).astype("int64")).unsqueeze(0)
    with torch.no_grad():
        logits, _ = run.model(ids[:, :-1], None)
    expected = torch.nn.functional.cross_entropy(logits[0], ids[0, 1:])
    assert run.score(text).loss == pytest.approx(expected.item(), rel=1e-5)


def test_bits_are_per_character_where_a_token_is_a_part_of_one(any_model, any_tokenizer):
    scored = score(any_model, any_tokenizer, "a分开b")
    nats = sum(value for value in scored.surprisal if value is not None)
    assert scored.bits_per_character == pytest.approx(nats / math.log(2) / 3)


@pytest.mark.parametrize(("text", "message"), [("", "has 0"), ("t", "has 1"), ("tH", "'H'")])
def test_a_text_that_cannot_be_scored_is_refused(run, text, message):
    with pytest.raises(UsageError, match=message):
        run.score(text)
