"""Parameters as a small model has them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

SHAPES = {
    "layers.0.weight": (4, 3),
    "layers.0.bias": (4,),
    "layers.0.scale": (1,),
    "head.weight": (5, 4),
}
Parameters = dict[str, nn.Parameter]


def draw_parameters(
    dtype: torch.dtype = torch.float32, shapes: Mapping[str, tuple[int, ...]] = SHAPES
) -> Parameters:
    """Matrices, a vector and a single number, or others; small and not zero."""
    generator = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: nn.Parameter((values / 10).to(dtype)) for name, values in drawn.items()}
