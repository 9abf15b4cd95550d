"""Rows with several documents give what each document gives in a row of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from seqlab_plugins.cells.causal_attention import CausalAttention
from seqlab_plugins.cells.recurrent import GRU, LSTM

from benchmarks.plain_model import language_model
from seqlab.model.segments import Segments, in_segments

ROWS, WINDOW, SIZE = 4, 12, 9
CELLS = {
    "gru": lambda size: GRU(size, hidden_size=6),
    "lstm": lambda size: LSTM(size, hidden_size=6, num_layers=2),
    "attention": lambda size: CausalAttention(size, hidden_size=8, heads=2),
}


@pytest.fixture(params=CELLS)
def model(request):
    torch.manual_seed(0)
    return language_model(SIZE, CELLS[request.param], embedding=8).eval()


def drawn():
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(SIZE, (ROWS, WINDOW), generator=generator)
    starts = torch.rand(ROWS, WINDOW, generator=generator) < 0.3
    starts[1] = False  # one document that continues
    return ids, starts


@torch.no_grad()
def test_a_packed_row_gives_what_its_documents_give(model):
    ids, starts = drawn()
    state = model.hidden(ids, None)[1]
    hidden, _ = in_segments(model.hidden, Segments.of(starts, ids.device), ids, state)
    for row in range(ROWS):
        cuts = [0, *starts[row, 1:].nonzero().squeeze(1).add(1).tolist(), WINDOW]
        for begin, end in pairwise(cuts):
            before = None
            if begin == 0:
                before = model_state(state, row)
            alone, _ = model.hidden(ids[row : row + 1, begin:end], before)
            torch.testing.assert_close(hidden[row : row + 1, begin:end], alone)


def model_state(state, row):
    from seqlab import select_rows

    return select_rows(state, torch.tensor([row]))


@torch.no_grad()
def test_a_row_of_one_document_is_carried_on(model):
    ids, starts = drawn()
    before = model.hidden(ids.flip(1), None)[1]
    _, after = in_segments(model.hidden, Segments.of(starts, ids.device), ids, before)
    _, alone = model.hidden(ids[1:2], model_state(before, 1))
    found = model_state(after, 1)
    for one, other in zip(leaves_of(found), leaves_of(alone), strict=True):
        torch.testing.assert_close(one, other)


def leaves_of(state):
    from seqlab.model.state import leaves

    return list(leaves(state))
