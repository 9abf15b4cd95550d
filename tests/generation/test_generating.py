"""Prefixes in, text out: by hand, one by one and together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from seqlab_plugins.cells.recurrent import GRU, LSTM, RNN
from seqlab_plugins.decoders.sampling import Greedy
from seqlab_plugins.tokenizers.basic import Characters

import seqlab
from benchmarks.plain_model import language_model
from seqlab import Continuation, select_rows
from seqlab.errors import UsageError
from seqlab.generation.generating import generate
from seqlab.generation.streaming import stream

LETTERS = "abcdefgh分开不"
PREFIXES = ["分开", "不分开", "a", "hgfedcba", "分开", "开分"]


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = Characters()
    tokenizer.fit([LETTERS])
    return tokenizer


@pytest.fixture(params=[RNN, LSTM, GRU])
def model(request, tokenizer):
    """An untrained model that hardly repeats itself, in double precision."""
    torch.manual_seed(0)
    net = language_model(
        tokenizer.size, lambda size: request.param(size, hidden_size=16), layers=2
    ).double()
    for parameter in net.parameters():
        parameter.data *= 6 if parameter.dim() == 2 else 0
    return net


@pytest.fixture
def text(model, tokenizer):
    """What a prefix is continued to."""

    def text(prefixes, length=12, decoder=None, **options):
        results = generate(
            model, tokenizer, decoder or Greedy(), prefixes, length=length, **options
        )
        return [result.text for result in results]

    return text


class Dice:
    """Draws from the model's distribution, with the chance that it is given."""

    def choose(self, logits, history, uniform):
        shares = logits.softmax(-1).cumsum(-1)
        return (shares < uniform[:, None]).sum(-1).clamp(max=logits.shape[-1] - 1)


class OnlyAt:
    """Chooses the number of tokens so far, and so depends on the history alone."""

    def choose(self, logits, history, uniform):
        return history[:, 0] * 0 + history.shape[1] % logits.shape[1]


class BestPair:
    """Tries every pair of tokens for every row, and takes the most probable one."""

    def search(self, advance, start, limits):
        first, pairs = start.logits.log_softmax(-1), []
        rows = torch.arange(len(first))
        for token in range(first.shape[1]):
            logits, _ = advance(rows * 0 + token, select_rows(start.state, rows))
            pairs.append(first[:, token, None] + logits.log_softmax(-1))
        scores = torch.stack(pairs, 1).flatten(1)
        return [[pair(row, int(row.argmax()), first.shape[1])] for row in scores]


def pair(scores, index, size):
    return Continuation(divmod(index, size), (float(scores[index]), 0.0))


def step_by_step(model, tokenizer, prefix, length) -> str:
    """Greedy by hand: feed the prefix a character at a time, then each choice."""
    state, text, chosen = None, "", ""
    for index in range(len(prefix) + length):
        text += prefix[index] if index < len(prefix) else chosen
        ids = torch.from_numpy(tokenizer.encode(text[-1])).long()[None]
        logits, state = model(ids, state)
        chosen = LETTERS[int(logits.argmax())]
    return text


def test_greedy_is_the_loop_that_one_would_write(model, tokenizer, text):
    with torch.no_grad():
        expected = [step_by_step(model.eval(), tokenizer, prefix, 12) for prefix in PREFIXES]
    assert text(PREFIXES) == expected
    assert len({line[-12:] for line in expected}) > 2


def test_a_prefix_is_read_at_once_as_it_is_read_one_character_after_another(model, tokenizer):
    ids = torch.from_numpy(tokenizer.encode("不分开abc")).long()[None]
    whole, _ = model(ids, None)
    state = None
    for index in range(ids.shape[1]):
        logits, state = model(ids[:, index : index + 1], state)
    torch.testing.assert_close(logits[:, 0], whole[:, -1])


def test_prefixes_of_different_lengths_go_on_as_each_would_alone(text):
    assert text(PREFIXES) == [text([prefix])[0] for prefix in PREFIXES]


def test_the_order_of_prefixes_is_kept(text):
    assert [line[: len(p)] for line, p in zip(text(PREFIXES), PREFIXES, strict=True)] == PREFIXES


def test_there_may_be_no_prefix(text):
    assert text([]) == []


@pytest.mark.parametrize("length", [1, 5])
def test_a_continuation_has_the_length_that_was_asked_for(text, length):
    assert [len(line) for line in text(PREFIXES, length)] == [len(p) + length for p in PREFIXES]


def test_each_choice_comes_with_its_log_probability(model, tokenizer):
    (result,) = generate(model, tokenizer, Dice(), ["分开"], length=8)
    with torch.no_grad():
        ids = torch.tensor([[*tokenizer.encode("分开"), *result.ids]])
        logits = model(ids[:, :-1], None)[0][0, 1:].log_softmax(-1)
    expected = logits[range(8), list(result.ids)].tolist()
    assert result.log_probabilities == pytest.approx(expected)


def test_the_seed_decides_what_chance_decides(text):
    assert text(PREFIXES, decoder=Dice(), seed=1) == text(PREFIXES, decoder=Dice(), seed=1)
    assert text(PREFIXES, decoder=Dice(), seed=1) != text(PREFIXES, decoder=Dice(), seed=2)


def test_equal_prefixes_go_on_differently_by_chance(text):
    first, second = text(["分开", "分开"], 20, decoder=Dice())
    assert first != second


def test_chance_is_the_same_whatever_was_drawn_before(text):
    first = text(["分开"], decoder=Dice())
    torch.manual_seed(1234)
    np.random.seed(1)
    assert text(["分开"], decoder=Dice()) == first


def test_a_row_keeps_its_chance_whatever_the_other_prefixes_are(text):
    assert text(["a", "分开"], decoder=Dice())[1] == text(["hgf", "分开"], decoder=Dice())[1]


def test_the_history_has_the_prefix_and_every_choice(text):
    assert text(["分开"], 3, decoder=OnlyAt()) == ["分开" + LETTERS[2:5]]


def test_a_decoder_that_searches_is_asked_to_search(text, model, tokenizer):
    (greedy,) = generate(model, tokenizer, Greedy(), ["分开"], length=2)
    (best,) = generate(model, tokenizer, BestPair(), ["分开"], length=2)
    scores = [sum(result.log_probabilities) for result in (greedy, best)]
    assert scores[1] >= scores[0] - 1e-9
    assert text(["分开"], 2, decoder=BestPair()) == [best.text]


def test_searching_together_finds_what_searching_alone_does(text):
    alone = [text([prefix], 2, decoder=BestPair())[0] for prefix in PREFIXES]
    assert text(PREFIXES, 2, decoder=BestPair()) == alone


def test_dropout_is_off(tokenizer):
    net = language_model(
        tokenizer.size, lambda size: RNN(size, hidden_size=16), embedding=8, dropout=0.9
    )
    texts = {generate(net.train(), tokenizer, Greedy(), ["a"], length=9)[0].text for _ in range(3)}
    assert len(texts) == 1


def test_no_gradient_is_kept(model, tokenizer):
    generate(model, tokenizer, Greedy(), ["a"], length=3)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_empty_prefix_is_refused(text):
    with pytest.raises(UsageError, match="the prefix is empty"):
        text(["分开", ""])


def test_a_prefix_with_an_unseen_character_is_refused_with_its_place(text):
    message = r"^prefix '分猫': character '猫' .* at position 1 .*$"
    with pytest.raises(UsageError, match=message):
        text(["分开", "分猫"])


def test_a_continuation_before_the_first_is_refused(model, tokenizer):
    with pytest.raises(UsageError, match="repeat should be at least 0; it is -1"):
        stream(model, tokenizer, Greedy(), "a", length=3, repeat=-1)


def test_a_run_continues_what_it_is_given(tiny, registry):
    run = seqlab.run(tiny | {"train": {"epochs": 20}}, registry=registry)
    (result,) = run.generate("the quick", length=6)
    assert result.text == "the quick brown"
    assert [result.prefix for result in run.generate(["the", "lazy"], length=1)] == ["the", "lazy"]


@pytest.mark.parametrize("prefix", ["", "THE"])
def test_a_run_refuses_a_prefix_that_it_cannot_read(tiny, registry, prefix):
    run = seqlab.run(tiny | {"train": {"steps": 0}}, registry=registry)
    with pytest.raises(UsageError, match="prefix"):
        run.generate(prefix)
