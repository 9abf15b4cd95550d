"""A decoder that keeps the surprise of a text where it should be.

Shapes: B rows, V vocabulary size, t tokens so far.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from seqlab import RemembersChoices, State, hookimpl
from seqlab_plugins.decoders.sampling import Temperature, draw


class Mirostat:
    """Draw so that a text is as surprising as asked: Basu et al., 2021, its second version.

    "Mirostat: a neural text decoding algorithm that directly controls perplexity",
    arXiv:2007.14966. Tokens that would surprise by more than a bound are left out; after each
    token the bound moves against the difference between its surprisal and `surprisal`.

    Args:
        surprisal: to aim at, in nats a token: the logarithm of the perplexity that the text has to
            the model. The paper's tau is in bits, of which one is 0.693 nats.
        rate: how far the bound moves for each nat of difference; 0: it stays at twice `surprisal`.
        temperature: what the logits are divided by first.
    """

    def __init__(
        self,
        *,
        surprisal: Annotated[float, Field(gt=0, le=100)] = 2.0,
        rate: Annotated[float, Field(ge=0, le=1)] = 0.1,
        temperature: Temperature = 1.0,
    ) -> None:
        self._surprisal, self._rate, self._temperature = surprisal, rate, temperature

    def choose(
        self, logits: Tensor, history: Tensor, uniform: Tensor, memory: State | None
    ) -> tuple[Tensor, State]:
        """The memory, (B, 1), is how far the bound is from where it begins."""
        logits = logits.double()
        scaled = (logits - logits.amax(-1, keepdim=True)) / self._temperature
        nats = -scaled.log_softmax(-1)  # (B, V)
        moved: Any = nats.new_zeros(len(nats), 1) if memory is None else memory
        bound = 2 * self._surprisal + moved
        left_out = (nats > bound) & (nats > nats.amin(-1, keepdim=True))
        ids = draw(scaled.masked_fill(left_out, -torch.inf), uniform)
        error = nats.gather(-1, ids[:, None]) - self._surprisal  # (B, 1)
        return ids, moved - self._rate * error


@hookimpl
def seqlab_register_decoders() -> dict[str, type[RemembersChoices]]:
    return {"mirostat": Mirostat}
