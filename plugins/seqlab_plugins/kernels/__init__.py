"""What is fast for the recurrent cells that come with seqlab; importing it imports no compiler."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from seqlab.kernels import Backend, has_numba_and_blas, tuning
from seqlab_plugins.kernels.torch_layers import cudnn_window, has_cudnn, onednn_suits, torch_layer


class Kernels(NamedTuple):
    """Backends of the operations of a recurrence, the fastest first."""

    window: Iterable[Backend] = ()
    layer: Iterable[Backend] = ()
    greedy: Iterable[Backend] = ()


def kernels_of(cell: str) -> Kernels:
    """Return those of `rnn`, `lstm` or `gru`."""
    layers = [Backend("cudnn", torch_layer, "cuda", ())]
    if cell == "lstm":
        layers.append(Backend("onednn", torch_layer, "cpu", (), available=onednn_suits))
    return Kernels(
        window=(
            Backend("cudnn", partial(cudnn_window, cell), "cuda", (), available=has_cudnn),
            _compiled(partial(_window, cell), tuning.WINDOW_NUMBA),
        ),
        layer=layers,
        greedy=(_compiled(partial(_greedy, cell), tuning.GREEDY_NUMBA),),
    )


def _compiled(compute: Any, least_work: int) -> Backend:
    return Backend("numba", compute, least_work=least_work, available=has_numba_and_blas)


def _window(cell: str, *given: Any) -> Any:
    from seqlab_plugins.kernels.windows import compute

    return compute(cell, *given)


def _greedy(cell: str, *given: Any) -> Any:
    from seqlab_plugins.kernels.greedy import compute

    return compute(cell, *given)
