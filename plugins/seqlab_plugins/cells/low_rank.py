"""A cell whose weights are frozen, with small trained matrices beside them."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrize

from seqlab import Cell, CellFactory, Count, hookimpl
from seqlab_plugins.cells.given_weights import follow_weights

Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class LowRank(nn.Module):
    """W + alpha / rank * B A, where W (M, N) is frozen, and B (M, rank) and A (rank, N) are not."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.A = nn.Parameter(torch.empty(rank, columns).normal_(std=columns**-0.5))
        self.B = nn.Parameter(torch.zeros(rows, rank))
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.B @ self.A)


def lora(
    input_size: int,
    *,
    inner: CellFactory,
    rank: Count = 8,
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16.0,
    match: Patterns = ["*"],  # noqa: B006 # nobody changes it
) -> Cell:
    """Freeze a cell, and train low-rank changes of its matrices: Hu et al., 2021, arXiv:2106.09685.

    It begins equal to the cell. With `train.init_from: {run: RUN, take: fitting}` it begins with
    the weights that the cell has in a run.

    Args:
        input_size: I.
        inner: Required. The cell.
        rank: how many columns B has, and rows A.
        alpha: B A is multiplied with alpha / rank.
        match: patterns of the names of the matrices that change, such as `*.weight_hh*`.
    """
    cell = inner(input_size)
    matrices = [name for name, p in cell.named_parameters() if p.dim() == 2]
    chosen = [n for n in matrices if any(fnmatchcase(n, pattern) for pattern in match)]
    if not chosen:
        raise ValueError(f"no matrix of the cell is like {match}; it has: {', '.join(matrices)}")
    cell.requires_grad_(False)
    for name in chosen:
        path, _, weight = name.rpartition(".")
        part = cell.get_submodule(path)
        change = LowRank(getattr(part, weight), rank, alpha)
        parametrize.register_parametrization(part, weight, change, unsafe=True)
    follow_weights(cell)
    return cell


@hookimpl
def seqlab_register_cells() -> dict[str, Callable[..., Cell]]:
    return {"lora": lora}
