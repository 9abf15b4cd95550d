"""One-hot inputs, whose products with a weight are looked up: for windows, and for one step.

Shapes: V ids, B rows, H hidden size, G gates, N steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.kernels import tuning
from seqlab.kernels.operation import Operation, choose

State = Any  # h, (B, H), or a tuple that begins with it


def one_hot_linear(weight: Tensor, bias: Tensor, ids: Tensor) -> Tensor:
    """Return W x + b, (..., M), where each x is the one-hot of an id: column id of W is gathered.

    Args:
        weight: W, (M, I).
        bias: b, (M,).
        ids: (...).
    """
    return functional.embedding(ids, weight.t()) + bias


class LookupStep:
    """An `IdStep`: ids (B,) and a state to outputs (B, H) and the state after.

    Of one-hots W x + b_W is a row of a table. The state is a tuple with one entry a layer.

    Args:
        step: (W x + b_W, (B, G H); the first layer's state; U; b_U) -> its state after.
        inputs: W, (G H, I), and b_W, (G H,).
        recurrent: U, (G H, H), and b_U, (G H,).
        above: (outputs, (B, 1, H); the first layer's state after; the states of the layers above)
            -> outputs and all states after. None: there is one layer.
        greedy: many greedy steps at once (see `greedy_by_steps`); None: one by one.
        embedding: the vector of each id, (V, I); None: a one-hot.
    """

    def __init__(
        self,
        step: Callable[..., State],
        inputs: tuple[Tensor, Tensor],
        recurrent: tuple[Tensor, Tensor],
        *,
        above: Callable[..., tuple[Tensor, Any]] | None = None,
        greedy: Operation[*tuple[Any, ...], Any] | None = None,
        embedding: Tensor | None = None,
    ) -> None:
        self._step, self._above, self._greedy, self._inputs = step, above, greedy, inputs
        self._weight, self._bias = inputs[0].detach(), inputs[1].detach()
        self._recurrent = recurrent[0].detach(), recurrent[1].detach()
        self._embedding = None if embedding is None else embedding.detach()

    @cached_property
    def _table(self) -> Tensor:
        """W x + b_W of each id, (V, G H)."""
        columns = self._weight.t()
        if self._embedding is not None:
            columns = self._embedding @ columns
        return (columns + self._bias).contiguous()

    def __call__(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        first, *upper = state
        if self._embedding is None:
            x = self._table[ids]
        else:  # a product for each id that comes, and not for each that there is
            x = functional.linear(self._embedding[ids], self._weight, self._bias)
        after = self._step(x, first, *self._recurrent)
        h = after[0] if isinstance(after, tuple) else after
        if self._above is None:
            return h, (after,)
        outputs, states = self._above(h.unsqueeze(1), after, upper)
        return outputs.squeeze(1), states

    def over(self, embedding: Tensor) -> LookupStep:
        """Return the step for ids with an embedding, (V, I)."""
        return LookupStep(
            self._step, self._inputs, self._recurrent, above=self._above, greedy=self._greedy,
            embedding=embedding,
        )  # fmt: skip

    def greedy(self, head: nn.Linear, steps: int) -> Callable[..., Any] | None:
        """Return a function that takes many greedy steps at once; None: nothing is faster.

        (ids (B,), state, number of steps) -> ids (B, N), log-probabilities (B, N), state after.
        """
        alone = self._above is None and head.bias is not None
        if self._greedy is None or not alone or torch.is_autocast_enabled(head.weight.device.type):
            return None
        size = len(self._weight)
        ids = self._weight.shape[1] if self._embedding is None else len(self._embedding)
        if self._embedding is not None and ids * size > tuning.TABLE:
            return None
        others = *self._recurrent, head.weight.detach(), head.bias.detach()
        outline = self._weight.new_empty(1, 1).expand(ids, size)  # of a table that may not be used
        compute = choose(self._greedy, (outline, *others, steps))
        if compute is self._greedy.reference:
            return None
        heads = cache(partial(_head_in_lines, head))

        def take(ids: Tensor, state: State, steps: int) -> tuple[Tensor, Tensor, State]:
            many = len(ids) > tuning.DOT_ROWS * torch.get_num_threads()
            weights = self._table, *self._recurrent, *heads(many)
            chosen, log_probabilities, after = compute(*weights, steps, ids, state[0])
            return chosen, log_probabilities, (after,)

        return take


def _head_in_lines(head: nn.Linear, by_columns: bool) -> tuple[Tensor, Tensor]:
    """Its weight and bias, with as many ids that are never chosen as fill a line of the cache."""
    missing = -head.out_features % (tuning.LINE // head.weight.itemsize)
    weight = functional.pad(head.weight.detach(), (0, 0, 0, missing))
    bias = functional.pad(head.bias.detach(), (0, missing), value=-torch.inf)
    return weight.t().contiguous().t() if by_columns else weight, bias


def greedy_by_steps(step: Callable[..., State]) -> Callable[..., tuple[Tensor, Tensor, State]]:
    """Return the reference of many greedy steps: each reads the most probable token before it."""

    def greedy(
        table: Tensor,
        weight: Tensor,
        bias: Tensor,
        head_weight: Tensor,
        head_bias: Tensor,
        steps: int,
        ids: Tensor,
        state: State,
    ) -> tuple[Tensor, Tensor, State]:
        """Return the next ids (B, N), their log-probabilities (B, N), and the state after.

        Args:
            table: W x + b_W of each id, (V, G H).
            weight: U, (G H, H).
            bias: b_U, (G H,).
            head_weight: of the output layer, (V, H); a backend may get it stored by columns, which
                is faster for many rows.
            head_bias: (V,); -inf: of an id that is never chosen.
            steps: N; a backend may take fewer, one at least.
            ids: (B,).
            state: before the first step.
        """
        chosen, scores = [], []
        for _ in range(steps):
            state = step(table[ids], state, weight, bias)
            h = state[0] if isinstance(state, tuple) else state
            log_probabilities = (h @ head_weight.t() + head_bias).log_softmax(-1)  # (B, V)
            score, ids = log_probabilities.max(-1)  # of equals the first
            chosen.append(ids)
            scores.append(score)
        return torch.stack(chosen, 1), torch.stack(scores, 1), state

    return greedy
