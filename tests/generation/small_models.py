"""A tokenizer and models that are made in a moment."""

from __future__ import annotations

import torch
from seqlab_plugins.tokenizers.bpe import BytePairs

import seqlab
from benchmarks.plain_model import language_model
from seqlab.model.language_model import LanguageModel


def byte_pairs() -> BytePairs:
    """Some of its tokens are parts of characters, others are several of them."""
    tokenizer = BytePairs(vocabulary=280)
    tokenizer.fit(["分开 不分开 abc abc hgfedcba " * 9])
    return tokenizer


def make_model(registry: seqlab.Registry, cell: str, size: int) -> LanguageModel:
    torch.manual_seed(0)
    factory = registry.find("cell", cell).factory
    model = language_model(size, lambda inputs: factory(inputs, hidden_size=16), layers=2)
    for parameter in model.double().parameters():
        parameter.data *= 6 if parameter.dim() == 2 else 0
    return model
