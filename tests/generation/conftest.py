"""Models, tokenizers and decoders to generate with."""

from __future__ import annotations

import pytest
from seqlab_plugins.tokenizers.basic import Bytes, Characters
from small_models import byte_pairs, make_model

from seqlab.generation.generating import generate
from seqlab.generation.streaming import stream

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
