"""Options whose size no machine could serve, or no number hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from seqlab_plugins.samplers import Documents, Random

import seqlab
from seqlab import Tokens
from seqlab.registry import resolve

BEYOND = [
    "sampler={name: consecutive, batch_size: 99999999999999999999999}",
    "sampler={name: random, batch_size: 10000000000}",
    "sampler={name: random, partial: keep, window: 10000000000}",
    "sampler={name: documents, batch_size: 10000000000}",
    "sampler={name: documents, window: 10000000000}",
    "tokenizer={name: bpe, vocabulary: 4000000000}",
    "tokenizer={name: bpe, min_frequency: 100000000000000000000000}",
    "decoder={name: sample, repetition_penalty: 1e-308}",
    "decoder={name: beam, length_penalty: 100}",
]


@pytest.mark.parametrize("override", BEYOND)
def test_a_size_beyond_all_machines_is_refused_where_it_was_written(override, tiny, registry):
    key = override.partition("=")[0]
    with pytest.raises(seqlab.ExperimentError, match=rf"{key}\.\w+: should be (less|greater) than"):
        resolve(seqlab.read_experiment(tiny, [override]), registry)


@pytest.mark.parametrize(("kind", "options"), [(Random, {"partial": "keep"}), (Documents, {})])
def test_a_window_longer_than_the_corpus_takes_no_memory_for_the_rest(kind, options):
    tokens = Tokens(np.arange(9), np.array([0]))
    batch = kind(tokens, 0, batch_size=2, window=2**24, **options).batch(0, 0)
    assert batch.inputs.shape[1] == 8


def test_the_least_repetition_penalty_leaves_one_sure_token(registry):
    decoder = registry.find("decoder", "sample").factory(repetition_penalty=0.001)
    logits, history = torch.tensor([[90.0, -90.0, 80.0]]), torch.tensor([[0, 1]])
    chosen = [int(decoder.choose(logits, history, torch.tensor([u]))) for u in (0.0, 0.999)]
    assert chosen == [0, 0]
