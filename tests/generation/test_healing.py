"""Prefixes that end in the middle of a token, and tokens that are never generated."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seqlab_plugins.cells.recurrent import RNN
from seqlab_plugins.decoders.beam import Beam
from seqlab_plugins.decoders.sampling import Greedy, Sample
from seqlab_plugins.tokenizers.basic import Bytes, Characters
from seqlab_plugins.tokenizers.reserved import WithReserved
from seqlab_plugins.tokenizers.words import Words
from small_models import byte_pairs, make_model

from benchmarks.plain_model import language_model
from seqlab.errors import UsageError
from seqlab.generation.generating import generate
from seqlab.generation.healing import heal
from seqlab.generation.spelling import Spelling
from seqlab.generation.streaming import stream, stream_all
from seqlab.model.stepping import greedy_steps

TEXT = "分开 不分开 abc abc hgfedcba "
PREFIXES = ["abc ab", "分开 不分", "abc h", "分", "abc abc hgfed", "不分开 "]


@pytest.fixture(scope="module")
def tokenizer():
    return byte_pairs()


@pytest.fixture(params=["rnn", "causal_attention"])
def model(request, registry, tokenizer):
    return make_model(registry, request.param, tokenizer.size)


class Vocabulary:
    """A tokenizer of which only the bytes of its tokens are asked for."""

    def __init__(self, *tokens: bytes) -> None:
        self.size, self.token_bytes = len(tokens), tokens.__getitem__


@given(st.lists(st.binary(max_size=4), max_size=30), st.binary(min_size=1, max_size=4))
def test_tokens_that_may_spell_a_rest_are_those_that_agree_with_it(tokens, rest):
    spelling = Spelling(Vocabulary(*tokens))
    agree = {
        number: min(len(data), len(rest))
        for number, data in enumerate(tokens)
        if data and (data.startswith(rest) or rest.startswith(data))
    }
    assert spelling.fitting(rest) == agree
    longer = any(data.startswith(rest) and len(data) > len(rest) for data in tokens)
    assert spelling.has_longer(rest) == longer


@given(st.text("分开不abcdefgh ", min_size=1, max_size=20))
def test_what_is_kept_and_what_is_taken_back_are_the_prefix(text):
    tokenizer = byte_pairs()
    prefix = heal(tokenizer, text, Spelling(tokenizer))
    kept = b"".join(map(tokenizer.token_bytes, prefix.ids))
    assert (kept + prefix.rest, prefix.shown) == (text.encode(), text.encode())


def by_hand(model, tokenizer, decoder, prefix, length):
    """Choose token after token of those that agree with what is left of the prefix."""
    healed = heal(tokenizer, prefix, Spelling(tokenizer))
    ids, rest = list(healed.ids), healed.rest
    data = [tokenizer.token_bytes(token) for token in range(tokenizer.size)]
    for _ in range(length):
        logits = model(torch.tensor([ids]), None)[0][:, -1]
        for token, spelled in enumerate(data):
            agrees = spelled.startswith(rest) or (spelled and rest.startswith(spelled))
            if rest and not agrees:
                logits[0, token] = -torch.inf
        chosen = int(decoder.choose(logits, torch.tensor([ids]), torch.zeros(1).double()))
        ids, rest = [*ids, chosen], rest[len(data[chosen]) :]
    return tuple(ids[len(healed.ids) :])


def test_greedy_chooses_among_tokens_that_spell_the_end_of_the_prefix(model, tokenizer):
    results = generate(model, tokenizer, Greedy(), PREFIXES, length=12)
    assert all(heal(tokenizer, text, Spelling(tokenizer)).rest for text in PREFIXES)
    with torch.no_grad():
        for prefix, result in zip(PREFIXES, results, strict=True):
            assert result.ids == by_hand(model, tokenizer, Greedy(), prefix, 12)
            assert result.text.startswith(prefix)
            assert result.text == prefix + result.continuation


def test_a_search_finds_the_best_of_all_texts_that_spell_the_end_of_the_prefix(model, tokenizer):
    prefix = heal(tokenizer, "abc h", Spelling(tokenizer))
    fitting = Spelling(tokenizer).fitting(prefix.rest)
    (best,) = generate(model, tokenizer, Beam(beams=300), ["abc h"], length=2)
    scores = {}
    with torch.no_grad():
        for first in fitting:
            ids = torch.tensor([[*prefix.ids, first]])
            logits = model(ids, None)[0][0, -2:]
            among = logits[0, [*fitting]].logsumexp(0)
            left = prefix.rest[len(tokenizer.token_bytes(first)) :]
            second = Spelling(tokenizer).fitting(left) if left else range(tokenizer.size)
            nats = logits[1] - logits[1, [*second]].logsumexp(0)
            scores |= {(first, n): float(logits[0, first] - among + nats[n]) for n in second}
    assert best.ids == max(scores, key=scores.get)
    assert best.score == pytest.approx(scores[best.ids])


@pytest.mark.parametrize("decoder", [Greedy(), Sample(temperature=1.5), Beam(beams=3)])
def test_healed_prefixes_go_on_together_and_streamed_as_each_does_alone(model, tokenizer, decoder):
    settings = {"length": 9, "stop": ["c"]}
    together = generate(model, tokenizer, decoder, PREFIXES, **settings)
    pieces = [""] * len(PREFIXES)
    for index, piece in stream_all(model, tokenizer, decoder, PREFIXES, **settings):
        pieces[index] += piece
    for prefix, result, piece in zip(PREFIXES, together, pieces, strict=True):
        (alone,) = generate(model, tokenizer, decoder, [prefix], **settings)
        streamed = "".join(stream(model, tokenizer, decoder, prefix, **settings))
        assert alone.ids == result.ids
        assert result.continuation == alone.continuation == streamed == piece


def test_a_text_to_stop_at_is_not_looked_for_in_the_end_of_the_prefix(model, tokenizer):
    (free,) = generate(model, tokenizer, Greedy(), ["abc ab"], length=12)
    (stopped,) = generate(model, tokenizer, Greedy(), ["abc ab"], length=12, stop=["ab"])
    assert stopped.continuation == free.continuation.split("ab")[0]


def test_without_healing_a_prefix_is_read_to_its_end(model, tokenizer):
    (result,) = generate(model, tokenizer, Greedy(), ["abc ab"], length=5, healing=False)
    ids = [int(token) for token in tokenizer.encode("abc ab")]
    with torch.no_grad():
        first = model(torch.tensor([ids]), None)[0][0, -1].argmax()
    assert result.ids[0] == int(first)


@pytest.mark.parametrize("tokenizer", [Bytes(), Characters()])
def test_characters_and_bytes_have_nothing_to_take_back(tokenizer):
    tokenizer.fit([TEXT])
    spelling = Spelling(tokenizer)
    assert not any(heal(tokenizer, prefix, spelling).rest for prefix in PREFIXES)


@pytest.mark.parametrize("unknown", ["error", "token"])
def test_a_word_that_is_only_begun_is_completed(registry, unknown):
    tokenizer = Words(unknown=unknown)
    tokenizer.fit(["the quick brown fox, the quiet one"])
    model = make_model(registry, "gru", tokenizer.size)
    (result,) = generate(model, tokenizer, Greedy(), ["the qui"], length=1)
    assert result.text in {"the quick", "the quiet"}


def test_a_word_that_no_token_begins_with_is_refused_as_it_is(registry):
    tokenizer = Words()
    tokenizer.fit(["the quick brown fox, the quiet one"])
    model = make_model(registry, "gru", tokenizer.size)
    with pytest.raises(UsageError, match="prefix 'the fix': word 'fix' at position 4"):
        generate(model, tokenizer, Greedy(), ["the fix"], length=1)


@pytest.fixture
def eager_for_unknown(registry):
    """A model that would generate nothing but unknown words, and its tokenizer."""
    tokenizer = WithReserved(inner=lambda: Words(unknown="token"), reserved=["mask"])
    tokenizer.fit(["the quick brown fox"])
    model = make_model(registry, "gru", tokenizer.size)
    model.head.bias.data[[tokenizer.unknown_token, tokenizer.reserved["mask"]]] = 1e4
    return model, tokenizer


@pytest.mark.parametrize("decoder", [Greedy(), Sample(), Sample(top_k=2), Beam(beams=20)])
def test_neither_unknown_nor_reserved_tokens_are_generated(eager_for_unknown, decoder):
    model, tokenizer = eager_for_unknown
    before = model.head.bias.clone()
    ids = generate(model, tokenizer, decoder, ["the "], length=20, num=2)
    never = {tokenizer.unknown_token, tokenizer.reserved["mask"]}
    assert not never & {token for result in ids for token in result.ids}
    assert torch.equal(model.head.bias, before)


def test_unknown_tokens_are_generated_where_they_are_asked_for(eager_for_unknown):
    model, tokenizer = eager_for_unknown
    never = {tokenizer.unknown_token, tokenizer.reserved["mask"]}
    (allowed,) = generate(model, tokenizer, Greedy(), ["the "], length=5, allow_unknown=True)
    assert {*allowed.ids} <= never
    stop = tokenizer.unknown_token
    (stopped,) = generate(model, tokenizer, Greedy(), ["the "], length=5, stop_tokens=[stop])
    assert (stopped.ids, stopped.ended) == ((stop,), "stop")


def test_a_head_of_another_kind_generates_none_either(eager_for_unknown):
    model, tokenizer = eager_for_unknown
    model.head = torch.nn.Sequential(model.head)
    (result,) = generate(model, tokenizer, Greedy(), ["the "], length=5)
    assert max(result.ids) < tokenizer.unknown_token


def test_no_prefix_begins_after_the_end_of_a_document(registry):
    tokenizer = Words(end_of_document=True)
    tokenizer.fit(["the quick brown fox"])
    model = make_model(registry, "gru", tokenizer.size)
    (result,) = generate(model, tokenizer, Greedy(), [""], length=3)
    with torch.no_grad():
        first = model(torch.tensor([[tokenizer.end_of_document]]), None)[0][0, -1].argmax()
    assert result.ids[0] == int(first)
    assert (result.prefix, result.text) == ("", result.continuation)


def test_no_prefix_without_a_token_that_ends_documents_is_refused(registry):
    tokenizer = Words()
    tokenizer.fit(["the quick brown fox"])
    model = make_model(registry, "gru", tokenizer.size)
    with pytest.raises(UsageError, match=r"is empty.*tokenizer\.end_of_document"):
        generate(model, tokenizer, Greedy(), [""], length=3)


def test_many_greedy_steps_in_one_call_begin_where_the_prefix_is_spelled_out(tokenizer):
    torch.manual_seed(0)
    model = language_model(tokenizer.size, lambda size: RNN(size, hidden_size=16))
    for parameter in model.parameters():
        parameter.data *= 6 if parameter.dim() == 2 else 0
    if greedy_steps(model.eval(), 300) is None:
        pytest.skip("there are no compiled loops here")
    quick = generate(model, tokenizer, Greedy(), PREFIXES, length=300)
    slow = generate(model, tokenizer, Sample(top_k=1), PREFIXES, length=300)
    for one, other in zip(quick, slow, strict=True):
        assert one.ids[:20] == other.ids[:20]
        near = pytest.approx(other.log_probabilities[:20], abs=1e-4)
        assert one.log_probabilities[:20] == near
