"""A component with components inside is tried with given ones, defaults, or made-up ones."""

from __future__ import annotations

import pytest
from torch import nn

import seqlab
from seqlab.errors import UsageError
from seqlab.testing import Subject, check_cell
from seqlab.testing.building import build


class Wrapper(nn.Module):
    """A cell around others.

    Args:
        inner: Required. The cell inside.
        more: what follows it.
    """

    def __init__(
        self,
        input_size: int,
        *,
        inner: seqlab.CellFactory,
        more: list[seqlab.CellFactory] = [seqlab.component("rnn", hidden_size=5)],  # noqa: B006, B008
    ) -> None:
        super().__init__()
        self.cells = nn.ModuleList([inner(input_size)])
        for cell in more:
            self.cells.append(cell(self.cells[-1].output_size))
        self.output_size = self.cells[-1].output_size

    def forward(self, inputs, state):
        states, after = state or [None] * len(self.cells), []
        for cell, before in zip(self.cells, states, strict=True):
            inputs, now = cell(inputs, before)
            after.append(now)
        return inputs, tuple(after)


def test_a_wrapper_keeps_every_promise_with_a_made_up_cell_inside():
    check_cell(Wrapper)


def test_what_is_given_is_inside():
    options = {"inner": {"name": "lstm", "hidden_size": 3}, "more": ["gru"]}
    cells = build(Subject.of("cell", Wrapper, options)).cells
    assert [(type(cell).__name__, cell.output_size) for cell in cells] == [
        ("LSTM", 3),
        ("GRU", 256),
    ]


def test_a_component_inside_that_does_not_exist_is_said():
    subject = Subject.of("cell", Wrapper, {"inner": "lsttm"})
    with pytest.raises(UsageError, match=r"inner.name: unknown cell 'lsttm'; did you mean 'lstm'"):
        build(subject)
