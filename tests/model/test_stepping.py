"""A step that has looked everything up is the model's own."""

from __future__ import annotations

import pytest
import torch

from benchmarks.plain_model import language_model
from seqlab.model.stepping import stepper


def test_a_step_may_begin_where_a_model_with_gradients_ended(registry):
    factory = registry.find("cell", "gru").factory
    model = language_model(29, lambda size: factory(size, hidden_size=16)).eval()
    ids = torch.tensor([[3, 4]])
    expected, _ = model(ids, None)
    _, state = model(ids[:, :1], None)
    logits, _ = stepper(model)(ids[:, 1], state)
    torch.testing.assert_close(logits, expected[:, 1], rtol=1e-5, atol=1e-6)


MODELS = [
    {},
    {"layers": 3, "residual": True, "norm": "rms"},
    {"embedding": 12, "dropout": 0.5, "norm": "layer"},
    {"embedding": 16, "tie_weights": True},
]
MANY_ROWS = 16
CELLS = ["rnn", "lstm", "gru", "causal_attention", "min_gru"]


@pytest.mark.parametrize("settings", MODELS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("rows", [1, 3, MANY_ROWS + 1])
def test_a_step_is_what_the_model_does_with_one_token(registry, cell, settings, rows):
    factory = registry.find("cell", cell).factory
    model = language_model(29, lambda size: factory(size, hidden_size=16), **settings).eval()
    ids = torch.randint(29, (rows, 5), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        _, state = model(ids[:, :4], None)
        expected, after = model(ids[:, 4:], state)
        logits, state = stepper(model)(ids[:, 4], state)
    torch.testing.assert_close(logits, expected[:, 0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state, after)
