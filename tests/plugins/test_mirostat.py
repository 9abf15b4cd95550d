"""A text is as surprising as it was asked to be."""

from __future__ import annotations

import pytest
import torch

from seqlab.generation.choosing import chooser

VOCABULARY, STEPS, ROWS = 500, 600, 3


@pytest.fixture
def mirostat(registry):
    return registry.find("decoder", "mirostat").factory


def surprisals(decoder):
    """The surprisal of each token of some rows, under distributions that change: (steps, rows)."""
    choose, memory, values = chooser(decoder), None, []
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        logits = 4 * torch.randn(ROWS, VOCABULARY, generator=generator, dtype=torch.float64)
        uniform = torch.rand(ROWS, generator=generator, dtype=torch.float64)
        history = torch.zeros(ROWS, 1, dtype=torch.int64)
        ids, memory = choose(logits, history, uniform, history[:, 0] + 1, memory)
        values.append(-logits.log_softmax(-1).gather(1, ids[:, None])[:, 0])
    return torch.stack(values)


@pytest.mark.parametrize("surprisal", [1.0, 1.4, 1.8])
def test_the_mean_surprisal_comes_to_what_is_asked(mirostat, surprisal):
    settled = surprisals(mirostat(surprisal=surprisal))[STEPS // 3 :]
    assert (settled.mean(0) - surprisal).abs().max() < 0.1


def test_one_step_is_that_of_the_paper(mirostat):
    logits = torch.tensor([[2.0, 1.0, 0.0, -6.0]], dtype=torch.float64)
    nats = -logits.log_softmax(-1)[0]
    choose, history = chooser(mirostat(surprisal=1.0, rate=0.5)), torch.zeros(1, 1).long()
    uniform = torch.tensor([0.999], dtype=torch.float64)
    ids, memory = choose(logits, history, uniform, history[:, 0], None)
    assert ids.tolist() == [1]  # the third would surprise by 2.4 nats, the bound is 2
    torch.testing.assert_close(memory, -0.5 * (nats[1] - 1.0).view(1, 1))
    ids, _ = choose(logits, history, uniform, history[:, 0], memory + 1)  # and now it is higher
    assert ids.tolist() == [2]


def test_a_bound_below_every_token_leaves_the_most_probable_one(mirostat):
    choose, history = chooser(mirostat(surprisal=0.1)), torch.zeros(1, 1).long()
    logits, memory = torch.tensor([[0.0, 0.1, 0.0]]), torch.tensor([[-9.0]], dtype=torch.float64)
    for chance in (0.0, 0.99):
        uniform = torch.tensor([chance], dtype=torch.float64)
        assert choose(logits, history, uniform, history[:, 0], memory)[0].tolist() == [1]
