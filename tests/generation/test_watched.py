"""What is watched is what is generated, and what is told of it is what the decoder did."""

from __future__ import annotations

import pytest
import torch
from small_models import byte_pairs, make_model

from seqlab.generation.generating import generate
from seqlab.generation.request import Request
from seqlab.generation.watched import watch, watched_tokens


def nothing() -> None:
    """Nobody wants it to end."""


def watched(model, tokenizer, decoder, prefix, **settings):
    seen = watch(decoder, nothing)
    request = Request.of(model, tokenizer, seen, [prefix], **settings)
    return [(token, getattr(seen, "seen", None)) for token in watched_tokens(request, seen)]


@pytest.mark.parametrize("prefix", ["ab", "分开 不分"])
def test_the_tokens_are_those_of_generate(any_model, any_tokenizer, any_decoder, prefix):
    prefix = prefix if any_tokenizer.size > 12 or prefix == "ab" else "分开不"
    settings = {"length": 12, "seed": 3}
    found = watched(any_model, any_tokenizer, any_decoder, prefix, **settings)
    (expected,) = generate(any_model, any_tokenizer, any_decoder, [prefix], **settings)
    assert tuple(token.id for token, _ in found) == expected.ids
    nats = [-token.surprisal for token, _ in found]
    assert nats == pytest.approx(expected.log_probabilities, abs=1e-5)


@pytest.mark.parametrize("decoder", ["sample", "typical", "mirostat", "greedy"])
def test_what_is_left_are_probabilities_and_the_chosen_token_has_one(registry, decoder):
    tokenizer = byte_pairs()
    model = make_model(registry, "gru", tokenizer.size)
    chooses = registry.find("decoder", decoder).factory()
    for token, choice in watched(model, tokenizer, chooses, "abc ab", length=6):
        left = choice.left()
        assert left.sum() == pytest.approx(1)
        assert left[token.id] > 0
        assert choice.probabilities()[token.id] == pytest.approx(
            torch.tensor(-token.surprisal).exp().item(), abs=1e-6
        )


def test_what_is_left_by_sample_is_what_it_draws_from(registry):
    tokenizer = byte_pairs()
    model = make_model(registry, "rnn", tokenizer.size)
    sample = registry.find("decoder", "sample").factory(top_k=4, temperature=0.5)
    ((_, choice),) = watched(model, tokenizer, sample, "abc ", length=1)
    best = choice.logits[0].topk(4)
    shares = (best.values.double() / 0.5).softmax(-1)
    assert choice.left()[best.indices].tolist() == pytest.approx(shares.tolist(), abs=0.002)


def test_a_check_that_raises_ends_it(registry):
    tokenizer = byte_pairs()
    model = make_model(registry, "rnn", tokenizer.size)

    class Ended(Exception):
        pass

    count = iter(range(3))

    def check() -> None:
        if next(count, None) is None:
            raise Ended

    for name in ("sample", "beam"):
        count = iter(range(3))
        decoder = watch(registry.find("decoder", name).factory(), check)
        request = Request.of(model, tokenizer, decoder, ["abc "], length=50)
        with pytest.raises(Ended):
            list(watched_tokens(request, decoder))
