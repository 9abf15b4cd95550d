"""Windows of `rnn`, `lstm` and `gru` by compiled loops, each with its backward written out.

torch keeps a graph of every step and adds up one small product a step for the gradient of the
recurrent weight. Here a window keeps what its backward needs, and that gradient is one large
product. Each may be differentiated once. Importing it needs `seqlab[fast]`.

Shapes: T window, B rows, H hidden size, G gates. Time comes first, so that a step is one block of
memory. Weights are torch's, with its order of gates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab.kernels import on_all_cores, product_dtype, sgemm
from seqlab_plugins.kernels import numba_loops

State = Any  # h, (B, H), or for an LSTM (h, c)
Gradients = tuple[Tensor | None, ...]


def compute(name: str, x: Tensor, state: State, weight: Tensor, bias: Tensor) -> tuple[Any, Any]:
    """Return all h, (T, B, H), and the state after.

    Args:
        name: of the cell.
        x: W x + b_W, (T, B, G H).
        state: before the window.
        weight: U, (G H, H).
        bias: b_U, (G H,).
    """
    parts, window = state if isinstance(state, tuple) else (state,), WINDOWS[name]
    large = product_dtype(weight)  # of the product for the weight's gradient, under autocast
    with torch.autocast("cpu", enabled=False):
        outputs, *cell_state = window.apply(large, x, *parts, weight.contiguous(), bias)
    h = outputs[-1].clone()
    return outputs, (h, *cell_state) if cell_state else h


class _RNN(Function):
    @staticmethod
    def forward(
        ctx: Any, large: torch.dtype, x: Tensor, h: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor]:
        states = _with_room(h, len(x))
        torch.add(x, bias, out=states[1:])
        _launch(numba_loops.rnn, states, weight)
        ctx.large = large
        ctx.save_for_backward(states, weight)
        return (states[1:],)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> Gradients:
        states, weight = ctx.saved_tensors
        grad_states, grad_x = _state_gradients(grad_outputs), torch.empty_like(states[1:])
        _launch(numba_loops.rnn_backward, grad_states, states, grad_x, weight)
        return None, grad_x, grad_states[0], *_weight_gradients(ctx, grad_x, states)


class _GRU(Function):
    """`gates` (T, B, 3 H) are r, z and U_n h + b_n; `candidates` (T, B, H) are n."""

    @staticmethod
    def forward(
        ctx: Any, large: torch.dtype, x: Tensor, h: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor]:
        states, x = _with_room(h, len(x)), x.contiguous()
        gates, candidates = torch.empty_like(x), torch.empty_like(states[1:])
        _launch(numba_loops.gru, x, states, gates, candidates, bias.contiguous(), weight)
        ctx.large = large
        ctx.save_for_backward(states, gates, candidates, weight)
        return (states[1:],)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> Gradients:
        states, gates, candidates, weight = ctx.saved_tensors
        grad_states = _state_gradients(grad_outputs)
        grad_inner, grad_x = torch.empty_like(gates), torch.empty_like(gates)
        given = grad_states, states, gates, candidates, grad_inner, grad_x, weight
        _launch(numba_loops.gru_backward, *given)
        return None, grad_x, grad_states[0], *_weight_gradients(ctx, grad_inner, states)


class _LSTM(Function):
    """`gates` (T, B, 4 H) are i, f, g and o; `cells` (T + 1, B, H) are the cell states c."""

    @staticmethod
    def forward(
        ctx: Any, large: torch.dtype, x: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        states, cells = _with_room(h, len(x)), _with_room(c, len(x))
        gates, tanh_c = torch.add(x, bias).contiguous(), torch.empty_like(states[1:])
        _launch(numba_loops.lstm, states, cells, gates, tanh_c, weight)
        ctx.large = large
        ctx.save_for_backward(states, cells, gates, tanh_c, weight)
        return states[1:], cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor, grad_last: Tensor) -> Gradients:
        states, cells, gates, tanh_c, weight = ctx.saved_tensors
        grad_states = _state_gradients(grad_outputs)
        grad_c, grad_x = grad_last.contiguous().clone(), torch.empty_like(gates)
        given = grad_states, grad_c, cells, gates, tanh_c, grad_x, weight
        _launch(numba_loops.lstm_backward, *given)
        return None, grad_x, grad_states[0], grad_c, *_weight_gradients(ctx, grad_x, states)


WINDOWS: dict[str, Any] = {"rnn": _RNN, "gru": _GRU, "lstm": _LSTM}


def _launch(loop: Any, *tensors: Tensor) -> None:
    on_all_cores(loop, tensors[0].shape[1], sgemm(), *tensors)


def _with_room(first: Tensor, window: int) -> Tensor:
    """Make room for a state and those after it: (T + 1, B, H)."""
    states = first.new_empty(window + 1, *first.shape)
    states[0] = first
    return states


def _state_gradients(grad_outputs: Tensor) -> Tensor:
    """Make room for the gradients of all states, (T + 1, B, H); later steps add to them."""
    grad_states = grad_outputs.new_empty(len(grad_outputs) + 1, *grad_outputs.shape[1:])
    grad_states[0], grad_states[1:] = 0, grad_outputs
    return grad_states


def _weight_gradients(ctx: Any, grad_product: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """From the gradients of U h + b, (T, B, G H), and the states: those of U and of b."""
    flat, before = grad_product.flatten(0, 1), states[:-1].flatten(0, 1)
    grad_weight = flat.t().to(ctx.large) @ before.to(ctx.large)
    return grad_weight.to(flat.dtype), flat.sum(0)
