"""Heads for many tokens, and for distributions that a matrix cannot have.

Shapes: N tokens, O size of hidden outputs, V vocabulary size, K softmaxes, E size of a vector.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import seqlab
from seqlab.kernels import chunks


class AdaptiveSoftmax(nn.Module):
    """Frequent tokens first, rare ones in clusters of smaller vectors: Grave et al., 2017.

    arXiv:1609.04309, by torch's AdaptiveLogSoftmaxWithLoss. Its outputs are log-probabilities. In
    training, logits of a window are never whole.

    Args:
        cutoffs: how many of the most frequent tokens are in the first cluster, in the first two,
            and so on, rising; null: a sixteenth and a quarter of the vocabulary.
        divisor: by how much the vectors of each cluster are smaller than those of the one before.
        bias: whether the tokens of the first cluster have a bias.
    """

    ranks: Tensor

    def __init__(
        self,
        input_size: int,
        vocabulary: seqlab.Vocabulary,
        *,
        cutoffs: list[seqlab.Count] | None = None,
        divisor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 4.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        size = int(vocabulary)
        ends = cutoffs or sorted({max(size // 16, 1), max(size // 4, 1)})
        if cutoffs is None and input_size < divisor ** len(ends):
            ends = ends[-1:]  # vectors of the last cluster would have no numbers
        if ends != sorted({*ends}) or ends[-1] >= size:
            raise ValueError(
                f"cutoffs should rise, and be below the {size:,} tokens; they are {ends}"
            )
        if input_size < divisor ** len(ends):
            raise ValueError(
                f"divisor ({divisor:g}) leaves nothing of {input_size} numbers for cluster"
                f" {len(ends) + 1}; fewer cutoffs or a smaller divisor would"
            )
        order = torch.argsort(-torch.as_tensor(vocabulary.counts), stable=True)
        self.register_buffer("ranks", torch.argsort(order))  # (V,), 0 is the most frequent
        self.clusters = nn.AdaptiveLogSoftmaxWithLoss(input_size, size, ends, divisor, bias)

    def forward(self, hidden: Tensor) -> Tensor:
        by_rank: Tensor = self.clusters.log_prob(hidden.flatten(0, -2))  # (N, V)
        return by_rank[:, self.ranks].view(*hidden.shape[:-1], -1)

    def loss(
        self, hidden: Tensor, targets: Tensor, shares: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        ranks, ends = self.ranks[targets], self.clusters.cutoffs
        cluster = torch.bucketize(ranks, ranks.new_tensor(ends[:-1]), right=True)  # (N,)
        first = torch.where(cluster == 0, ranks, ends[0] + cluster - 1)  # or the cluster's own id
        loss, nats = _linear_loss(self.clusters.head, hidden, first, shares)
        tails: Any = self.clusters.tail
        for number, (project, decode) in enumerate(tails):
            rows = (cluster == number + 1).nonzero().squeeze(1)
            if len(rows):
                own = ranks[rows] - ends[number]
                share = shares[rows] if isinstance(shares, Tensor) else shares
                more, parts = _linear_loss(decode, project(hidden[rows]), own, share)
                loss, nats = loss + more, nats.index_add(0, rows, parts)
        return loss, nats


def _linear_loss(
    linear: nn.Linear, hidden: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    bias = linear.weight.new_zeros(linear.out_features) if linear.bias is None else linear.bias
    return seqlab.linear_loss(hidden, linear.weight, bias, targets, shares)


class MixtureOfSoftmaxes(nn.Module):
    """Several softmaxes, mixed, so that log-probabilities have a higher rank: Yang et al., 2018.

        p = sum_k pi_k softmax(W h_k + b), h_k = tanh(U_k h), pi = softmax(V h)

    arXiv:1711.03953. Its outputs are log-probabilities. In training some rows of logits are
    computed at a time, and again for their gradients, so that those of a window are never whole.

    Args:
        softmaxes: K, how many.
        size: E, of the vectors h_k; null: that of the outputs of the cell.
    """

    def __init__(
        self,
        input_size: int,
        vocabulary: seqlab.Vocabulary,
        *,
        softmaxes: seqlab.Count = 10,
        size: seqlab.Count | None = None,
    ) -> None:
        super().__init__()
        self.softmaxes, self.size = softmaxes, size or input_size
        self.prior = nn.Linear(input_size, softmaxes, bias=False)
        self.latent = nn.Linear(input_size, softmaxes * self.size)
        self.decoder = nn.Linear(self.size, int(vocabulary))

    def forward(self, hidden: Tensor) -> Tensor:
        prior, logits = self._parts(hidden)
        return (prior.unsqueeze(-1) + logits.log_softmax(-1)).logsumexp(-2)

    def loss(
        self, hidden: Tensor, targets: Tensor, shares: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        parts: list[Tensor] = [
            checkpoint(self._nats, hidden[rows], targets[rows], use_reentrant=False)
            for rows in chunks(hidden, self.softmaxes * self.decoder.out_features)
        ]
        nats = torch.cat(parts)
        return (nats * shares).sum(), nats.detach()

    def tie(self, embedding: nn.Module) -> None:
        """Give an embedding the matrix of the softmaxes."""
        table: Any = embedding
        if not getattr(embedding, "is_table", False) or table.output_size != self.size:
            raise ValueError(
                f"needs a learned embedding of the size of this head's vectors ({self.size},"
                " `head.size`)"
            )
        table.weight = self.decoder.weight

    def _parts(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithms of pi, (…, K), and the logits of each softmax, (…, K, V)."""
        latent = self.latent(hidden).tanh().unflatten(-1, (self.softmaxes, self.size))
        return functional.log_softmax(self.prior(hidden), -1), self.decoder(latent)

    def _nats(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return -ln p(target), (N,), from (N, O)."""
        prior, logits = self._parts(hidden)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        places = targets.view(-1, 1, 1).expand(-1, self.softmaxes, 1)
        own = logits.gather(-1, places).squeeze(-1)  # (N, K)
        return -(prior.to(logits.dtype) + own - logits.logsumexp(-1)).logsumexp(-1)


@seqlab.hookimpl
def seqlab_register_heads() -> dict[str, type]:
    return {"adaptive_softmax": AdaptiveSoftmax, "mixture_of_softmaxes": MixtureOfSoftmaxes}
