"""Heads that are more than a matrix. Shapes: N tokens, O input size, V vocabulary size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import seqlab

SEQLAB_API = 2


class MixtureOfSoftmaxes(nn.Module):
    """Several softmaxes, mixed: Yang et al., 2018, arXiv:1711.03953.

    Args:
        softmaxes: K, how many.
    """

    def __init__(
        self, input_size: int, vocabulary: seqlab.Vocabulary, *, softmaxes: seqlab.Count = 3
    ) -> None:
        super().__init__()
        self.softmaxes = softmaxes
        self.prior = nn.Linear(input_size, softmaxes)
        self.latent = nn.Linear(input_size, softmaxes * input_size)
        self.decoder = nn.Linear(input_size, vocabulary.size)

    def forward(self, hidden: Tensor) -> Tensor:
        latent = self.latent(hidden).tanh().unflatten(-1, (self.softmaxes, -1))  # (…, K, O)
        each = self.decoder(latent).log_softmax(-1)  # (…, K, V)
        return (self.prior(hidden).log_softmax(-1).unsqueeze(-1) + each).logsumexp(-2)


class Adaptive(nn.Module):
    """Frequent tokens first, rare ones in clusters: Grave et al., 2017, arXiv:1609.04309.

    Args:
        shares: of the vocabulary, by frequency, that end the clusters; the rest is the last one.
        smaller: by how much each cluster's vectors are smaller than those of the one before.
    """

    ranks: Tensor

    def __init__(
        self,
        input_size: int,
        vocabulary: seqlab.Vocabulary,
        *,
        shares: tuple[seqlab.Share, ...] = (0.2, 0.6),
        smaller: seqlab.Count = 2,
    ) -> None:
        super().__init__()
        size = vocabulary.size
        ends = sorted({min(max(int(share * size), 1), size - 1) for share in shares} - {size - 1})
        if not ends:
            raise ValueError(f"shares: a vocabulary of {size} tokens has no clusters by {shares}")
        order = torch.argsort(-torch.as_tensor(vocabulary.counts), stable=True)
        self.register_buffer("ranks", torch.argsort(order))  # (V,), 0 is the most frequent
        self.clusters = nn.AdaptiveLogSoftmaxWithLoss(input_size, size, ends, float(smaller))

    def forward(self, hidden: Tensor) -> Tensor:
        by_rank = self.clusters.log_prob(hidden.flatten(0, -2))
        return by_rank[:, self.ranks].unflatten(0, hidden.shape[:-1])

    def loss(
        self, hidden: Tensor, targets: Tensor, shares: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        nats = -self.clusters(hidden, self.ranks[targets]).output  # (N,)
        return (nats * shares).sum(), nats.detach()


@seqlab.hookimpl
def seqlab_register_heads() -> dict[str, type[nn.Module]]:
    return {"mixed_softmaxes": MixtureOfSoftmaxes, "adaptive": Adaptive}
