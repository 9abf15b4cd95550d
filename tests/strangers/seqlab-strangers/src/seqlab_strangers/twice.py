"""Learning from two passes that drop out otherwise: batches of two halves, and an objective.

Shapes: B rows, of which the second half is the first one again; T window, O hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

import seqlab

SEQLAB_API = 2
RANDOM = seqlab.component("random", batch_size=8)


class Twice:
    """The batches of another sampler with each row twice, as row i and row i + B/2.

    Args:
        inner: the sampler.
    """

    def __init__(
        self, tokens: seqlab.Tokens, seed: int, *, inner: seqlab.SamplerFactory = RANDOM
    ) -> None:
        self.inner = inner(tokens, seed)

    @property
    def documents(self) -> str:
        return getattr(self.inner, "documents", "carried")

    @property
    def batches(self) -> Any:
        return getattr(self.inner, "batches", None)

    def __len__(self) -> int:
        return len(self.inner)

    def batch(self, epoch: int, index: int) -> seqlab.Batch:
        batch = self.inner.batch(epoch, index)
        return seqlab.Batch(*(None if part is None else torch.cat((part, part)) for part in batch))

    def left_out(self, epoch: int) -> Sequence[range]:
        return self.inner.left_out(epoch)


class RDrop:
    """The next token, alike in two passes with other dropout: Liang et al., 2021, arXiv:2106.14448.

    Needs the sampler `twice`; evaluations have no dropout, and score the likelihood alone.

    Args:
        factor: of the divergence between the two, in both directions.
    """

    parts = ("divergence",)

    def __init__(self, *, factor: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0) -> None:
        self.factor = factor

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        if len(hidden) % 2:
            raise ValueError("objective 'r_drop' needs each row twice, as of sampler: twice")
        logits = head(hidden).float().log_softmax(-1)  # (B, T, V)
        nats = -logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)
        shares = torch.as_tensor(window.shares, device=hidden.device).expand_as(nats)
        one, other = logits.chunk(2)
        between = sum(
            functional.kl_div(a, b, reduction="none", log_target=True).sum(-1)
            for a, b in ((one, other), (other, one))
        )
        part = self.factor * (torch.minimum(*shares.chunk(2)) * between).sum()
        return seqlab.Terms((shares * nats).sum() + part, nats.detach(), (part,))

    def score(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        nats, right = seqlab.head_scores(head, hidden, window.targets)
        none = nats.new_zeros(())
        return seqlab.Terms((nats * window.shares).sum(), nats, (none,), right)


@seqlab.hookimpl
def seqlab_register_samplers() -> dict[str, Callable[..., seqlab.Sampler]]:
    return {"twice": Twice}


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, Callable[..., seqlab.Objective]]:
    return {"r_drop": RDrop}
