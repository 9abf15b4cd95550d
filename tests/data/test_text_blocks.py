"""Text cut into blocks whose ends depend on the text alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab import Ids
from seqlab.documents import in_blocks

relaxed = settings(deadline=None, max_examples=300)
pieces = st.lists(st.text("ab \n", max_size=30), max_size=12)


def cut(document, block=8) -> list[str]:
    result = in_blocks(document, block)
    return [result] if isinstance(result, str) else list(result)


@relaxed
@given(pieces)
def test_nothing_is_lost_and_no_piece_is_longer_than_a_block(document):
    parts = cut(iter(document))
    assert "".join(parts) == "".join(document)
    assert all(0 < len(part) <= 8 for part in parts)


@relaxed
@given(pieces, st.integers(1, 7))
def test_the_blocks_are_the_same_wherever_the_pieces_end(document, size):
    whole = "".join(document)
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert cut(iter(document)) == cut(pieces) == [part for part in cut(whole) if part]


@relaxed
@given(pieces)
def test_a_block_ends_behind_a_newline_else_behind_a_space_else_full(document):
    *parts, _ = [*cut(iter(document)), ""]
    whole, position = "".join(document), 0
    for part in parts:
        full = whole[position : position + 8]
        position += len(part)
        if position < len(whole):
            mark = "\n" if "\n" in full else " "
            assert len(part) == (full.rindex(mark) + 1 if mark in full else 8)


def test_token_ids_are_left_as_they_are():
    document = Ids(np.arange(100))
    assert in_blocks(document, 8) is document
