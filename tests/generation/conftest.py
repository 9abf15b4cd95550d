"""Models, tokenizers and decoders to generate with."""

from __future__ import annotations

import pytest
import torch
from seqlab_plugins.tokenizers.basic import Bytes, Characters
from seqlab_plugins.tokenizers.bpe import BytePairs

import seqlab
from benchmarks.plain_model import language_model
from seqlab.generation.generating import generate
from seqlab.generation.streaming import stream
from seqlab.model.language_model import LanguageModel

LETTERS = "abcdefgh分开不"
CELLS = ["rnn", "lstm", "gru", "causal_attention"]
DECODERS = {
    "greedy": {},
    "sample": {"temperature": 1.5, "no_repeat": 3, "frequency_penalty": 0.1, "top_p": 0.95},
    "beam": {"beams": 3, "length_penalty": 0.5},
}


def characters() -> Characters:
    tokenizer = Characters()
    tokenizer.fit([LETTERS])
    return tokenizer


def byte_pairs() -> BytePairs:
    """Some of its tokens are parts of characters, others are several of them."""
    tokenizer = BytePairs(vocabulary=280)
    tokenizer.fit(["分开 不分开 abc abc hgfedcba " * 9])
    return tokenizer


TOKENIZERS = {"characters": characters, "bytes": Bytes, "bpe": byte_pairs}


@pytest.hookimpl(tryfirst=True)  # before those that are slow are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of all three at once, mark two thirds slow: any two of them meet in the others."""
    parts = {"any_model": CELLS, "any_tokenizer": list(TOKENIZERS), "any_decoder": list(DECODERS)}
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        if parts.keys() <= given.keys():
            turn = sum(names.index(given[part]) for part, names in parts.items()) % 3
            if turn:
                item.add_marker("slow")


@pytest.fixture(params=list(TOKENIZERS))
def any_tokenizer(request):
    return TOKENIZERS[request.param]()


@pytest.fixture(params=CELLS)
def any_model(request, registry, any_tokenizer):
    """An untrained model that hardly repeats itself, in double precision."""
    return make_model(registry, request.param, any_tokenizer.size)


@pytest.fixture(params=list(DECODERS))
def any_decoder(request, registry):
    return registry.find("decoder", request.param).factory(**DECODERS[request.param])


def make_model(registry: seqlab.Registry, cell: str, size: int) -> LanguageModel:
    torch.manual_seed(0)
    factory = registry.find("cell", cell).factory
    model = language_model(size, lambda inputs: factory(inputs, hidden_size=16), layers=2)
    for parameter in model.double().parameters():
        parameter.data *= 6 if parameter.dim() == 2 else 0
    return model


@pytest.fixture
def continued(any_model, any_tokenizer, any_decoder):
    """Generate with one model, tokenizer and decoder."""

    def continued(prefixes, length=14, **options):
        return generate(any_model, any_tokenizer, any_decoder, prefixes, length=length, **options)

    return continued


@pytest.fixture
def streamed(any_model, any_tokenizer, any_decoder):
    """Stream with the same."""

    def streamed(prefix, length=14, **options):
        return list(stream(any_model, any_tokenizer, any_decoder, prefix, length=length, **options))

    return streamed
