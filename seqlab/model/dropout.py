"""Dropout whose mask does not take longer than what it masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 2**16  # of what a mask is drawn from


class Dropout(nn.Dropout):
    """Zero a share of the values in training, and scale the others up: Srivastava et al., 2014.

    On a CPU torch draws a float of 53 random bits for each value. Here 16 bits decide: the share is
    rounded to a multiple of 1 / 65,536, and what is kept is scaled by the share that it then is.
    """

    def forward(self, values: Tensor) -> Tensor:
        dropped = round(self.p * LEVELS)
        some = self.training and 0 < dropped < LEVELS
        if not some or not values.is_cpu or torch.compiler.is_compiling():
            return functional.dropout(values, self.p, self.training)
        draws = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        levels = draws.view(torch.int16)[: values.numel()].view(values.shape)
        kept = (levels >= dropped - LEVELS // 2).to(values.dtype)
        return values * kept.mul_(LEVELS / (LEVELS - dropped))
