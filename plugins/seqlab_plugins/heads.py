"""Heads that are a matrix and a bias. Shapes: N tokens, O size of hidden outputs, V vocabulary."""

from __future__ import annotations

from typing import Annotated, Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

import seqlab


class Linear(nn.Linear):
    """A matrix and a bias; the logits of a window are never whole in training.

    Tied to an embedding of another size, it has a matrix before that, from the size of the cell's
    outputs to that of the embedding.
    """

    def __init__(self, input_size: int, vocabulary: seqlab.Vocabulary) -> None:
        super().__init__(input_size, int(vocabulary))

    def tie(self, embedding: nn.Module) -> nn.Module:
        """Give an embedding the matrix, which is initialised as an output layer is."""
        if not getattr(embedding, "is_table", False):
            raise ValueError(
                f"needs a learned embedding; {type(embedding).__name__} has no table of vectors"
            )
        vectors: Any = embedding
        if vectors.output_size == self.in_features:
            vectors.weight = self.weight
            return self
        head = Projected(self.in_features, self._of_size(vectors.output_size))
        vectors.weight = head.inner.weight
        return head

    def _of_size(self, size: int) -> Self:
        """A head like this one for other inputs."""
        return type(self)(size, seqlab.Vocabulary.unknown(self.out_features))


class Projected(nn.Module):
    """A linear head behind a matrix without a bias, from the size of its inputs to another."""

    def __init__(self, input_size: int, inner: nn.Linear) -> None:
        super().__init__()
        self.projection = nn.Linear(input_size, inner.in_features, bias=False)
        self.inner = inner

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.inner(self.projection(hidden))
        return logits

    def loss(
        self, hidden: Tensor, targets: Tensor, shares: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        rows = self.projection(hidden).unsqueeze(0)  # one row of N tokens
        loss, nats = seqlab.head_loss(self.inner, rows, targets.unsqueeze(0), shares)
        return loss, nats.squeeze(0)


class SampledSoftmax(Linear):
    """A linear head that is trained on few tokens besides the target: Jean et al., 2015.

    arXiv:1412.2007. The other tokens of a step are drawn by their frequency, and logits are
    corrected by the logarithm of how often each is expected among them (Bengio and Senecal, 2008).
    The loss in training is that of these tokens alone, so it is smaller than the real one; all that
    is measured, generated or exported is of the whole vocabulary.

    Args:
        samples: S, how many tokens are drawn for the targets of a window, with replacement.
        power: of a token's count plus 1, to which its chance is proportional; 0: all alike.
    """

    chances: Tensor

    def __init__(
        self,
        input_size: int,
        vocabulary: seqlab.Vocabulary,
        *,
        samples: seqlab.Count = 1024,
        power: Annotated[float, Field(ge=0, le=1)] = 0.75,
    ) -> None:
        super().__init__(input_size, vocabulary)
        self.samples, self.power = samples, power
        counts = torch.as_tensor(vocabulary.counts, dtype=torch.float64) + 1
        self.register_buffer("chances", counts.pow(power) / counts.pow(power).sum())

    def loss(
        self, hidden: Tensor, targets: Tensor, shares: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        if not self.training:
            return seqlab.linear_loss(hidden, self.weight, self.bias, targets, shares)
        return self.sampled_loss(hidden, targets, shares, self._drawn())

    def sampled_loss(
        self, hidden: Tensor, targets: Tensor, shares: Tensor | float, drawn: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss with the tokens (S,) that were drawn."""
        corrections = (self.chances * len(drawn)).log().to(self.weight.dtype)  # (V,)
        weight, bias = self.weight[targets], self.bias - corrections
        own = (hidden * weight).sum(-1) + bias[targets]  # (N,)
        others = functional.linear(hidden, self.weight[drawn], bias[drawn])  # (N, S)
        others = others.masked_fill(drawn == targets.unsqueeze(1), -torch.inf)
        logits = torch.cat((own.unsqueeze(1), others), 1)
        nats = logits.float().logsumexp(1) - own.float()
        return (nats * shares).sum(), nats.detach()

    def _of_size(self, size: int) -> Self:
        made = type(self)(
            size,
            seqlab.Vocabulary.unknown(self.out_features),
            samples=self.samples,
            power=self.power,
        )
        made.chances = self.chances
        return made

    def _drawn(self) -> Tensor:
        """Draw tokens by torch's random numbers."""
        ends = self.chances.cumsum(0)
        places = torch.rand(self.samples, dtype=ends.dtype, device=ends.device) * ends[-1]
        return torch.searchsorted(ends, places, right=True).clamp(max=len(ends) - 1)


@seqlab.hookimpl
def seqlab_register_heads() -> dict[str, type]:
    return {"linear": Linear, "sampled_softmax": SampledSoftmax}
