"""A model's shapes are known without room for it."""

from __future__ import annotations

import resource

import pytest
import torch

from benchmarks.plain_model import language_model
from seqlab.model.outline import Outline

SETTINGS = [
    {},
    {"embedding": 16, "layers": 2, "residual": True, "norm": "rms"},
    {"embedding": 16, "layers": 2, "norm": "layer", "tie_weights": True},
]


def model(registry, cell, settings):
    component = registry.find("cell", cell)
    return language_model(11, lambda size: component.factory(size, hidden_size=16), **settings)


def shapes(built):
    return {name: (tuple(t.shape), t.dtype) for name, t in built.state_dict().items()}


@pytest.mark.parametrize("settings", SETTINGS, ids=["one_hot", "stack", "tied"])
@pytest.mark.parametrize(
    "cell",
    [
        *("rnn", "lstm", "gru", "min_gru", "causal_attention"),
        *("gated_linear_attention", "selective_state_space"),
    ],
)
def test_an_outline_has_the_names_shapes_and_types_of_the_model(registry, cell, settings):
    whole = model(registry, cell, settings)
    with Outline():
        outlined = model(registry, cell, settings)
    assert shapes(outlined) == shapes(whole)


def test_an_outline_of_a_terabyte_takes_no_room(registry):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Outline():
        huge = registry.find("cell", "lstm").factory(100, hidden_size=250_000)
    assert sum(p.numel() for p in huge.parameters()) > 2.5e11
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


def test_behind_an_outline_tensors_are_themselves_again():
    with Outline():
        torch.zeros(3).fill_(7)
    assert torch.zeros(3).fill_(7).tolist() == [7, 7, 7]
