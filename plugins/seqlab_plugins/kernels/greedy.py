"""Many greedy steps of a cell and its head in one call: see `seqlab.kernels.greedy_by_steps`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

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
    """Take as many steps as last some milliseconds; rows of logits begin at full lines."""
    rows, (vocabulary, size) = len(ids), head_weight.shape
    smallest, largest = map(int, ids.aminmax())
    if not 0 <= smallest <= largest < vocabulary:
        raise IndexError(f"ids are {smallest} … {largest}; there are {vocabulary} tokens")
    missing = -vocabulary % (tuning.LINE // head_weight.itemsize)
    head = functional.pad(head_weight, (0, 0, 0, missing))
    added = functional.pad(head_bias, (0, missing), value=-torch.inf)
    many = rows > tuning.DOT_ROWS * torch.get_num_threads()
    heads = (head[:0], head.t().contiguous()) if many else (head, head[:0])
    work = (tuning.GREEDY_READING + rows) * (head.numel() + weight.numel())
    steps = max(min(steps, tuning.GREEDY_WORK // work), 1)
    chosen, scores = ids.repeat(steps + 1, 1), added.new_empty(steps, rows)
    parts = state if isinstance(state, tuple) else (state,)
    states = [torch.stack([part] * 2) for part in parts]
    room = [added.new_empty(1, rows, times * size) for times in WORKSPACE[name]]
    logits = added.new_empty(rows, len(added))
    known = table, chosen, scores, logits, *heads, added
    loop = getattr(greedy_loops, f"greedy_{name}")
    on_all_cores(loop, rows, sgemm(), *known, *states, *room, bias, weight)
    after = tuple(part[0] for part in states)
    return chosen[1:].t(), scores.t(), after if isinstance(state, tuple) else after[0]
