"""What Numba compiles, on all cores; importing it needs the extra `seqlab[fast]`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab import GreedyWalk, State, contiguous, on_all_cores
from seqlab_plugins import column_loops, greedy_loops, loops, scan_loops
from seqlab_plugins.cores import sgemm
from seqlab_plugins.product_loops import FEW
from seqlab_plugins.walks import Walks

SGEMM = cast("int", sgemm())  # without it this is not imported
LINE = 16  # numbers in a line of a cache: rows of logits begin at one
AT_ONCE = 2**30  # multiplications between two looks at what was said: some milliseconds
READING = 8  # rows that take as long as reading a weight does


def _walk(loop: Callable[..., None], *tensors: Tensor) -> None:
    *others, weight = tensors
    on_all_cores(loop, others[0].shape[1], SGEMM, *others, weight.contiguous())


WALKS = Walks(
    elman=partial(_walk, loops.elman),
    elman_back=partial(_walk, loops.elman_back),
    gated=partial(_walk, loops.gated),
    gated_back=partial(_walk, loops.gated_back),
    long_short=partial(_walk, loops.long_short),
    long_short_back=partial(_walk, loops.long_short_back),
)


def scan(decay: Tensor, inputs: Tensor, initial: Tensor, states: Tensor, backwards: bool) -> None:
    """Write every h_t = a_t h_{t-1} + b_t, as `seqlab_plugins.scan` does, (B, T, ...)."""
    given = _flat(decay, inputs, initial.unsqueeze(1), states)
    on_all_cores(scan_loops.scan, len(states), int(backwards), *given)


def scan_back(
    gradient: Tensor, decay: Tensor, initial: Tensor, states: Tensor, backwards: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the decays, the inputs and the initial state, from that of states."""
    of_decay, of_inputs = torch.empty_like(states), torch.empty_like(states)
    of_initial = initial.new_empty(initial.shape)
    given = _flat(gradient, decay, initial.unsqueeze(1), states)
    found = _flat(of_decay, of_inputs, of_initial.unsqueeze(1))
    on_all_cores(scan_loops.scan_back, len(states), int(backwards), *given, *found)
    return of_decay, of_inputs, of_initial


def by_block(ids: Tensor, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids (N,), their places sorted by block of columns, and where the blocks start.

    Raises:
        IndexError: one of the ids is no column.
    """
    ids = ids.flatten().clone()  # nobody else can change them until the gradient is wanted
    smallest, largest = map(int, ids.aminmax())
    if not 0 <= smallest <= largest < columns:
        raise IndexError(f"ids are {smallest} … {largest}; there are {columns} columns")
    order = torch.empty_like(ids)
    starts = ids.new_empty(-(-columns // column_loops.SIDE) + 1)
    column_loops.sort_by_block(ids.numpy(), starts.numpy(), order.numpy())
    return ids, order, starts


def gather(places: tuple[Tensor, ...], matrix: Tensor, bias: Tensor) -> Tensor:
    """Return a column of a matrix (M, I) for each of the ids `by_block`, with a bias: (N, M)."""
    ids, order, starts = places
    rows, blocks = matrix.new_empty(len(ids), len(matrix)), _dealt(starts)
    given = blocks, starts, order, ids, matrix.contiguous(), bias.contiguous(), rows
    on_all_cores(column_loops.gather, len(blocks), *given)
    return rows


def scatter(places: tuple[Tensor, ...], rows: Tensor, columns: int) -> Tensor:
    """Return a matrix (M, I) of which each column is the sum of the rows (N, M) of its id."""
    ids, order, starts = places
    matrix, blocks = rows.new_empty(rows.shape[1], columns), _dealt(starts)
    on_all_cores(column_loops.scatter, len(blocks), blocks, starts, order, ids, rows, matrix)
    return matrix


def _dealt(starts: Tensor) -> Tensor:
    return _dealt_to(torch.get_num_threads(), len(starts) - 1)


@cache
def _dealt_to(cores: int, blocks: int) -> Tensor:
    """Deal blocks to cores in turn, since frequent ids may lie side by side."""
    return torch.argsort(torch.arange(blocks, device="cpu") % cores, stable=True)


def _flat(*tensors: Tensor) -> list[Tensor]:
    """As (B, T, N), whatever a row has besides; copied where it is not contiguous."""
    return [tensor.contiguous().view(*tensor.shape[:2], -1) for tensor in tensors]


def _greedy(
    loop: Callable[..., None],
    room: tuple[int, ...],
    table: Tensor,
    head: nn.Linear,
    *others: Tensor,
) -> GreedyWalk:
    """Return what has a loop take greedy steps of a cell of one layer and its head.

    Args:
        loop: one of `seqlab_plugins.greedy_loops`.
        room: how wide the arrays are that a step needs, as multiples of H.
        table: what each id adds to the gates, (V, G H).
        head: the output layer, from H.
        others: what the loop takes last, the recurrent weight (G H, H) at the end.
    """
    vocabulary, size = head.weight.shape
    missing = -vocabulary % LINE
    weight = functional.pad(head.weight, (0, 0, 0, missing))
    bias = functional.pad(head.bias, (0, missing), value=-torch.inf)
    given = [tensor.detach().contiguous() for tensor in (table, weight, bias, *others)]
    turn = cache(lambda: contiguous(weight.t()))

    def walk(ids: Tensor, state: Any, steps: int) -> tuple[Tensor, Tensor, State]:
        rows, (columns, weight, bias, *others) = len(ids), given
        many = rows > FEW * torch.get_num_threads()
        heads = (weight[:0], turn()) if many else (weight, weight[:0])
        smallest, largest = map(int, ids.aminmax())
        if not 0 <= smallest <= largest < vocabulary:
            raise IndexError(f"ids are {smallest} … {largest}; there are {vocabulary} tokens")
        (before,) = state  # of the one layer
        parts = before if isinstance(before, tuple) else (before,)
        carried = [torch.stack([part.to(bias.dtype).expand(rows, size)] * 2) for part in parts]
        work = (READING + rows) * (weight.numel() + others[-1].numel())
        steps = max(min(steps, AT_ONCE // work), 1)
        said, scores = ids.repeat(steps + 1, 1), bias.new_empty(steps, rows)
        logits = bias.new_empty(rows, len(bias))
        rooms = [bias.new_empty(1, rows, times * size) for times in room]
        known = columns, said, scores, logits, *heads, bias
        on_all_cores(loop, rows, SGEMM, *known, *carried, *rooms, *others)
        after = tuple(part[0] for part in carried)
        return said[1:].t(), scores.t(), (after if isinstance(before, tuple) else after[0],)

    return walk


GREEDY = {
    "elman": partial(_greedy, greedy_loops.greedy_elman, ()),
    "gated": partial(_greedy, greedy_loops.greedy_gated, (3, 3, 1)),
    "long_short": partial(_greedy, greedy_loops.greedy_long_short, (4, 1)),
}
