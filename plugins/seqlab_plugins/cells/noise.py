"""Noise in any cell: weights that drop out, states that stay.

Shapes: B rows, T window, I input size, O output size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

import seqlab
from seqlab import Cell, CellFactory, IdStep, Share, State, hookimpl
from seqlab_plugins.cells.given_weights import follow_weights

Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Call = Callable[[Tensor, "State | None"], tuple[Tensor, State]]


class _Either(nn.Module):
    """A cell that is called with inputs or with ids."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        return _read(self.cell, inputs, state)


def _read(cell: Any, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
    read = cell if inputs.is_floating_point() else cell.from_ids
    result: tuple[Tensor, State] = read(inputs, state)
    return result


class _Around(nn.Module):
    """A cell around another one, which reads ids if that one does."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.output_size: int = cell.output_size

    @property
    def from_ids(self) -> Call | None:
        """Offered if the cell offers it."""
        return self.forward if getattr(self.cell, "from_ids", None) is not None else None

    @property
    def last_output(self) -> Callable[[State], Tensor] | None:
        """Offered if the cell offers it."""
        return getattr(self.cell, "last_output", None)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        raise NotImplementedError


class WeightDrop(_Around):
    """A cell whose weights drop out, by one mask for a window: Wan et al., 2013, DropConnect.

    Of recurrent weights as Merity et al., 2018, arXiv:1708.02182.
    """

    def __init__(
        self,
        input_size: int,
        *,
        inner: CellFactory,
        share: Share = 0.5,
        match: Patterns | None = None,
    ) -> None:
        """Build the cell.

        Args:
            input_size: I.
            inner: Required. The cell.
            share: of the weights that are zero in a window of training; the others are scaled up.
            match: patterns of the names of the matrices that drop out; null: `*weight_hh*`, as
                torch names recurrent ones, and where there are none, all.
        """
        super().__init__(inner(input_size))
        self.share = share
        matrices = [name for name, p in self.cell.named_parameters() if p.dim() > 1]
        self.dropped = _like(matrices, match or ["*weight_hh*"]) or _like(matrices, match or ["*"])
        if not self.dropped:
            raise ValueError(
                f"no matrix of the cell is like {match} (`match`); it has: {', '.join(matrices)}"
            )
        follow_weights(self.cell)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        if not self.training:
            return _read(self.cell, inputs, state)
        weights = dict(self.cell.named_parameters())
        masks = [functional.dropout(torch.ones_like(weights[n]), self.share) for n in self.dropped]
        return self.with_masks(inputs, state, masks)

    def with_masks(
        self, inputs: Tensor, state: State | None, masks: Sequence[Tensor]
    ) -> tuple[Tensor, State]:
        """Call the cell with a factor for each of the weights that drop out."""
        weights = dict(self.cell.named_parameters())
        pairs = zip(self.dropped, masks, strict=True)
        given = {f"cell.{name}": weights[name] * mask for name, mask in pairs}
        result: tuple[Tensor, State] = functional_call(
            _Either(self.cell), given, (inputs, state), strict=False
        )
        return result

    @property
    def id_stepper(self) -> Callable[[], IdStep] | None:
        """Offered if the cell offers it; it is for evaluation, where nothing drops out."""
        return getattr(self.cell, "id_stepper", None)


def _like(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, one) for one in patterns)]


class Zoneout(_Around):
    """A cell whose state keeps some of its values at each step: Krueger et al., 2017.

    arXiv:1606.01305. In evaluation each value keeps this share of what it was. Outputs that are a
    part of the state, as h is, are those of the changed state. Around several layers use one for
    each, in a `stack`.
    """

    def __init__(
        self,
        input_size: int,
        *,
        inner: CellFactory,
        share: Share | Annotated[list[Share], Field(min_length=1)] = 0.1,
    ) -> None:
        """Build the cell.

        Args:
            input_size: I.
            inner: Required. The cell.
            share: of the values of the state that stay in a step; or a share for each tensor of the
                state, in order: h and c for `lstm`.
        """
        super().__init__(inner(input_size))
        self.share = share

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        return self.with_masks(inputs, state, self._masks)

    def with_masks(
        self,
        inputs: Tensor,
        state: State | None,
        masks: Callable[[int, Sequence[Tensor]], Sequence[Tensor]],
    ) -> tuple[Tensor, State]:
        """Run the steps of a window; `masks` says what stays (1) of each tensor, at a step."""
        outputs = []
        for step in range(inputs.shape[1]):
            output, after = _read(self.cell, inputs[:, step : step + 1], state)
            state = self._zoned(state, after, partial(masks, step))
            if self.last_output is not None:
                output = self.last_output(state).unsqueeze(1)
            outputs.append(output)
        assert state is not None  # noqa: S101 # a window has a step
        return torch.cat(outputs, 1), state

    def _zoned(
        self, before: State | None, after: State, masks: Callable[[Sequence[Tensor]], Any]
    ) -> State:
        """Mix two states by masks, of which there is one for each floating tensor."""
        if before is None:
            before = seqlab.map_state(torch.zeros_like, after)
        floating = [tensor for tensor in _tensors(after) if tensor.is_floating_point()]
        own: Iterator[Tensor] = iter(masks(floating))
        old = iter(list(_tensors(before)))

        def mixed(new: Tensor) -> Tensor:
            past = next(old)
            if not new.is_floating_point():
                return new
            stays = next(own)
            drawn = stays.dtype == torch.bool
            return torch.where(stays, past, new) if drawn else new + stays * (past - new)

        return seqlab.map_state(mixed, after)

    def _masks(self, _step: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        shares = self._shares(len(tensors))
        if not self.training:
            return [t.new_full((), share) for t, share in zip(tensors, shares, strict=True)]
        pairs = zip(tensors, shares, strict=True)
        return [torch.rand_like(tensor) < share for tensor, share in pairs]

    def _shares(self, count: int) -> list[float]:
        if not isinstance(self.share, list):
            return [self.share] * count
        if len(self.share) != count:
            raise ValueError(
                f"share: has {len(self.share)} numbers for {count} tensors in the state of the cell"
            )
        return self.share


def _tensors(state: State) -> Iterator[Tensor]:
    """The tensors of a state, in order."""
    if isinstance(state, tuple):
        for part in state:
            yield from _tensors(part)
    else:
        yield state


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"weight_drop": WeightDrop, "zoneout": Zoneout}
