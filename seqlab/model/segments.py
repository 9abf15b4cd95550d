"""Rows of a window that hold several documents, taken apart for cells that know nothing of it.

Shapes: B rows, T window, N documents in them, L the longest of these, O output size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.model.state import map_state, select_rows

Hidden = Callable[[Tensor, "State | None"], "tuple[Tensor, State]"]


class Segments(NamedTuple):
    """Where the documents of a window are; a row that is none of them whole is one by itself."""

    place: Tensor  # (N, L) int64: each token's place in the window, row after row; padded
    inverse: Tensor  # (B, T) int64: each place's token among (N, L)
    row: Tensor  # (N,) int64: the row of each
    first: Tensor  # (N,) bool: whether it is the first of its row, which may continue
    last: Tensor  # (B,) int64: the last of each row

    @classmethod
    def of(cls, starts: Tensor, device: torch.device) -> Segments:
        """Take apart a window where its `starts` (B, T), on the CPU, are True."""
        rows, length = starts.shape
        begins = starts.clone()
        begins[:, 0] = True
        places = begins.flatten().nonzero().squeeze(1)  # (N,)
        lengths = torch.diff(places, append=torch.tensor([rows * length]))
        within = torch.arange(int(lengths.max()))  # (L,)
        place = (places.unsqueeze(1) + within).clamp(max=rows * length - 1)
        number = begins.flatten().cumsum(0) - 1  # (B * T,): of the segment
        inverse = number * len(within) + torch.arange(rows * length) - places[number]
        row = places // length
        last = number.view(rows, length)[:, -1]
        parts = (place, inverse.view(rows, length), row, places % length == 0, last)
        return cls(*(part.to(device) for part in parts))


def in_segments(
    hidden: Hidden, segments: Segments, ids: Tensor, state: State | None
) -> tuple[Tensor, State]:
    """Call a model with a row for each document: (B, T) ids -> hidden outputs (B, T, O), state.

    The state after is right for rows of one document: others do not continue.
    """
    before = None if state is None else map_state(lambda t: _given(t, segments), state)
    outputs, after = hidden(ids.flatten()[segments.place], before)
    return outputs.flatten(0, 1)[segments.inverse], select_rows(after, segments.last)


def _given(tensor: Tensor, segments: Segments) -> Tensor:
    """The state of each document: that of its row for the first, a fresh one for others."""
    own = tensor.index_select(0, segments.row)
    first = segments.first.view(-1, *(1,) * (own.dim() - 1))
    return torch.where(first, own, torch.zeros_like(own))
