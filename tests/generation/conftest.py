"""Models, tokenizers and decoders to generate with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from seqlab_plugins.tokenizers import Characters

import seqlab
from seqlab.experiment.sections import Model
from seqlab.generation.generating import generate, stream
from seqlab.model.language_model import LanguageModel

LETTERS = "abcdefgh分开不"
CELLS = ["rnn", "lstm", "gru", "causal_attention"]
DECODERS = {
    "greedy": {},
    "sample": {"temperature": 1.5, "no_repeat": 3, "frequency_penalty": 0.1, "top_p": 0.95},
    "beam": {"beams": 3, "length_penalty": 0.5},
}


class Pieces:
    """Stands for a tokenizer whose tokens are parts of characters, or several of them."""

    end_of_document = None

    def __init__(self) -> None:
        data = sorted(set(LETTERS.encode()))
        pairs = [b"ab", b"\x80\xe4", "分".encode(), "分开".encode(), b"h\xe5"]
        self._tokens = [bytes([one]) for one in data] + pairs

    @property
    def size(self) -> int:
        return len(self._tokens)

    def fit(self, documents: Iterable[str]) -> None:
        """What it knows is fixed."""

    def encode(self, text: str) -> np.ndarray:
        """Take the longest token that fits, from left to right."""
        data, ids = text.encode(), []
        while data:
            fits = [token for token in self._tokens if data.startswith(token)]
            if not fits:
                raise ValueError(f"byte {data[:1]!r} has no id")
            longest = max(fits, key=len)
            ids.append(self._tokens.index(longest))
            data = data[len(longest) :]
        return np.array(ids)

    def token_bytes(self, token: int) -> bytes:
        return self._tokens[token]


def characters() -> Characters:
    tokenizer = Characters()
    tokenizer.fit([LETTERS])
    return tokenizer


TOKENIZERS = {"characters": characters, "pieces": Pieces}


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
    model = LanguageModel(size, lambda inputs: factory(inputs, hidden_size=16), Model(layers=2))
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
