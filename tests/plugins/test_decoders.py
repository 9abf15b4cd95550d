"""How the next token is chosen."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def greedy(registry):
    decoder = registry.find("decoder", "greedy").factory()

    def greedy(logits, history=None, uniform=None):
        rows = len(logits)
        history = torch.zeros(rows, 1, dtype=torch.int64) if history is None else history
        return decoder.choose(logits, history, torch.zeros(rows) if uniform is None else uniform)

    return greedy


def test_greedy_takes_the_most_probable_token_of_every_row(greedy):
    logits = torch.tensor([[0.0, 2.0, 1.0], [-1.0, -3.0, -2.0]])
    assert greedy(logits).tolist() == [1, 0]


@pytest.mark.parametrize("size", [3, 64, 1027])
def test_of_equals_greedy_takes_the_lowest_id(greedy, size):
    assert greedy(torch.zeros(2, size).index_fill(1, torch.tensor([0]), -1.0)).tolist() == [1, 1]


def test_greedy_needs_neither_history_nor_chance(greedy):
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    history = torch.ones(4, 3, dtype=torch.int64)
    assert greedy(logits).equal(greedy(logits, history, torch.full((4,), 0.9)))


def test_greedy_chooses_ids_for_rows_as_it_would_for_each_alone(greedy):
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    assert greedy(logits).tolist() == [int(greedy(row[None])) for row in logits]
