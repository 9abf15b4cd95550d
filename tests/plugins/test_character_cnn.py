"""Vectors from characters, as in their paper."""

from __future__ import annotations

import pytest
import torch

import seqlab
from seqlab.testing import Subject

from .recipes import copies, drawn, losses

WORDS = ["a", "ab", " ab", "bcabc", "", "zz"]
WIDTHS = [1, 2, 3]


@pytest.fixture
def make(registry):
    def made(words=WORDS, **options):
        torch.manual_seed(3)
        vocabulary = seqlab.Vocabulary(len(words), lambda token: words[token].encode())
        found = registry.find("embedding", "character_cnn")
        return Subject.of_component(found, options, registry).build(vocabulary)

    return made


def spelled(word, known):
    """Numbers of a word's characters as the module has them: 1 begins it, 2 ends it."""
    return [1, *(3 + sorted(known).index(c) for c in word.strip(" ")), 2]


def slow_vector(word, known, w, longest):
    """The vector of a word: for each filter the largest tanh over all its places."""
    numbers = spelled(word, known)
    numbers += [0] * (longest - len(numbers))
    characters = [w["characters.weight"][n] * bool(n) for n in numbers]  # padding is zero
    values = []
    for number, width in enumerate(WIDTHS):
        kernel, bias = (w[f"convolutions.{number}.{part}"] for part in ("weight", "bias"))
        for f in range(len(kernel)):
            places = [
                sum((kernel[f, :, k] * characters[place + k]).sum() for k in range(width)) + bias[f]
                for place in range(longest - width + 1)
            ]
            values.append(torch.stack(places).tanh().max())
    x = torch.stack(values)
    gate = (w["highways.0.gate.weight"] @ x + w["highways.0.gate.bias"]).sigmoid()
    change = (w["highways.0.change.weight"] @ x + w["highways.0.change.bias"]).relu()
    return gate * change + (1 - gate) * x


def test_it_is_its_paper_for_twenty_steps(make):
    embedding = make(size=4, widths=WIDTHS, filters=2, most=5).double()
    own, ids = copies(embedding), torch.tensor([[0, 3, 1], [5, 4, 2]])
    wanted = drawn(2, 3, embedding.output_size)

    def slow(_):
        vectors = [slow_vector(WORDS[i], set("abcz"), own, 7) for i in ids.flatten().tolist()]
        return (torch.stack(vectors).view_as(wanted) - wanted).square().mean()

    assert embedding.output_size == 2 + 4 + 5
    found = losses(lambda _: (embedding(ids) - wanted).square().mean(), embedding.parameters())
    assert found == pytest.approx(losses(slow, own.values()), rel=1e-5)


def test_a_word_has_one_vector_with_and_without_a_space_before_it(make):
    vectors = make()(torch.tensor([1, 2, 3]))
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[1], vectors[2])


def test_of_long_tokens_the_first_characters_are_read(make):
    vectors = make(["abcd", "abce", "abd"], longest=3)(torch.arange(3))
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


def test_a_model_of_words_reads_their_characters(tiny):
    settings = {"tokenizer": "words", "model": {"embedding": {"name": "character_cnn", "size": 4}}}
    run = seqlab.run({**tiny, **settings})
    again = seqlab.open_run(run.path)
    texts = [one.generate("the quick", length=4)[0].text for one in (run, again)]
    assert texts[0] == texts[1]
