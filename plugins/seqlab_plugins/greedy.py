"""Whether greedy steps of a recurrence are taken by a compiled loop, many in a call."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqlab import GreedyWalk
from seqlab_plugins.cores import compiled

GREEDY_FROM = 2**8  # steps from which loading a compiler, once in a process, is worth the wait
LARGEST_TABLE = 2**24  # numbers that are worked out beforehand for a learned embedding


def greedy_walk(
    recurrence: str,
    head: nn.Linear,
    inputs: Tensor | None,
    steps: int,
    *,
    weight: Tensor,
    bias: Tensor,
    others: tuple[Tensor, ...],
) -> GreedyWalk | None:
    """Return what takes greedy steps of a cell of one layer; None: its own steps are to be taken.

    How many rows there are does not matter, so that a text is the same alone and in company.

    Args:
        recurrence: its name among the compiled loops.
        head: the output layer.
        inputs: what each id is to the recurrence, (V, I); None: a one-hot.
        steps: how many are wanted in all.
        weight: W, (G H, I).
        bias: what is added to W x, (G H,).
        others: what a step takes besides, the recurrent weight at the end.
    """
    vocabulary = weight.shape[1] if inputs is None else len(inputs)
    table, size = len(weight) * vocabulary, others[-1].shape[1]
    given = [weight, bias, head.weight, *others]
    plain = all(part.is_cpu and part.dtype == torch.float32 for part in given)
    elsewhere = torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    fits = head.weight.shape == (vocabulary, size) and len(others[-1]) == len(bias) == len(weight)
    if steps < GREEDY_FROM or not plain or not fits or elsewhere or head.bias is None:
        return None
    loops = compiled() if inputs is None or table <= LARGEST_TABLE else None
    if loops is None:
        return None
    columns = weight.t() if inputs is None else inputs @ weight.t()  # (V, G H)
    found: GreedyWalk = loops.GREEDY[recurrence](columns + bias, head, *others)
    return found
