"""What Numba compiles, on all cores; importing it needs the extra `seqlab[fast]`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from seqlab_plugins import loops, scan_loops
from seqlab_plugins.cores import on_all_cores, sgemm
from seqlab_plugins.walks import Walks


def _walk(loop: Callable[..., None], *tensors: Tensor) -> None:
    *others, weight = tensors
    on_all_cores(partial(loop, sgemm()), others[0].shape[1], *others, weight.contiguous())


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
    on_all_cores(partial(scan_loops.scan, backwards), len(states), *given)


def scan_back(
    gradient: Tensor, decay: Tensor, initial: Tensor, states: Tensor, backwards: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the decays, the inputs and the initial state, from that of states."""
    of_decay, of_inputs = torch.empty_like(states), torch.empty_like(states)
    of_initial = initial.new_empty(initial.shape)
    given = _flat(gradient, decay, initial.unsqueeze(1), states)
    found = _flat(of_decay, of_inputs, of_initial.unsqueeze(1))
    on_all_cores(partial(scan_loops.scan_back, backwards), len(states), *given, *found)
    return of_decay, of_inputs, of_initial


def _flat(*tensors: Tensor) -> list[Tensor]:
    """As (B, T, N), whatever a row has besides; copied where it is not contiguous."""
    return [tensor.contiguous().view(*tensor.shape[:2], -1) for tensor in tensors]
