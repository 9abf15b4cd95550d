"""Many greedy steps of a cell and its head in one call: see `seqlab.kernels.greedy_by_steps`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlab.kernels import on_all_cores, sgemm, tuning
from seqlab_plugins.kernels import greedy_loops

# How wide the arrays are that a step needs besides its states, as multiples of H.
WORKSPACE: dict[str, tuple[int, ...]] = {"rnn": (), "gru": (3, 3, 1), "lstm": (4, 1)}


def compute(
    name: str,
    table: Tensor,
    weight: Tensor,
    bias: Tensor,
    head_weight: Tensor,
    head_bias: Tensor,
    steps: int,
    ids: Tensor,
    state: Any,
) -> tuple[Tensor, Tensor, Any]:
    """Take as many steps as last some milliseconds."""
    rows, vocabulary, size = len(ids), len(table), head_weight.shape[1]
    smallest, largest = map(int, ids.aminmax())
    if not 0 <= smallest <= largest < vocabulary:
        raise IndexError(f"ids are {smallest} … {largest}; there are {vocabulary} tokens")
    empty, by_rows = head_weight.new_empty(0, 0), head_weight.is_contiguous()
    heads = (head_weight, empty) if by_rows else (empty, head_weight.t().contiguous())
    work = (tuning.GREEDY_READING + rows) * (head_weight.numel() + weight.numel())
    steps = max(min(steps, tuning.GREEDY_WORK // work), 1)
    chosen, scores = ids.repeat(steps + 1, 1), head_bias.new_empty(steps, rows)
    parts = state if isinstance(state, tuple) else (state,)
    states = [torch.stack([part] * 2) for part in parts]
    room = [head_bias.new_empty(1, rows, times * size) for times in WORKSPACE[name]]
    logits = head_bias.new_empty(rows, len(head_bias))
    known = table, chosen, scores, logits, *heads, head_bias
    loop = getattr(greedy_loops, f"greedy_{name}")
    on_all_cores(loop, rows, sgemm(), *known, *states, *room, bias, weight)
    after = tuple(part[0] for part in states)
    return chosen[1:].t(), scores.t(), after if isinstance(state, tuple) else after[0]
