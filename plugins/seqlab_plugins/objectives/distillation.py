"""Learning from another model's distributions.

Shapes: B rows in a batch, T window, O size of hidden outputs, V vocabulary size.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

import seqlab


class Distillation:
    """The next token, and the distribution that a finished run has for it (Hinton et al., 2015).

    The teacher reads what the student reads, with a state of its own. It is read from its run, so
    that must be there as long as the student is trained; scores and texts need it no more.

    Args:
        teacher: Required. The folder of a run with the same vocabulary.
        share: of the loss that the teacher's distribution has; the rest is the text's.
        temperature: both distributions are softened by it; the part `teacher` is its square times
            their divergence KL(teacher || student), in nats.
    """

    parts = ("teacher",)

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        teacher: Path,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        temperature: Annotated[float, Field(gt=0, le=100)] = 2.0,
    ) -> None:
        self._vocabulary, self._run = vocabulary, teacher
        self._share, self._temperature = share, temperature

    def before_training(self) -> None:
        """Find the teacher."""
        _ = self._teacher

    def loss(
        self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window, state: Any
    ) -> tuple[seqlab.Terms, Any]:
        with torch.no_grad():
            logits, after = self._teacher.to(hidden.device)(window.inputs, state)  # (B, T, V)
        softened = logits.float() / self._temperature
        own_loss, nats = seqlab.head_loss(head, hidden, window.targets, window.shares)
        student = (head(hidden).float() / self._temperature).log_softmax(-1)
        divergence = (softened.softmax(-1) * (softened.log_softmax(-1) - student)).sum(-1)
        part = self._temperature**2 * (window.shares * divergence).sum()
        total = (1 - self._share) * own_loss + self._share * part
        return seqlab.Terms(total, nats, (part,)), after

    def score(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        """Score without the teacher."""
        nats, right = seqlab.head_scores(head, hidden, window.targets)
        unknown = nats.new_full((), torch.nan)
        return seqlab.Terms((nats * window.shares).sum(), nats, (unknown,), right)

    @cached_property
    def _teacher(self) -> Any:
        try:
            run = seqlab.open_run(self._run)
        except seqlab.SeqlabError as error:
            raise ValueError(f"teacher: {error}") from None
        own, its = self._vocabulary, run.tokenizer
        same = own.size == its.size and all(
            own.token_bytes(token) == its.token_bytes(token) for token in range(own.size)
        )
        if not same:
            raise ValueError(
                f"teacher: {run.path} has another vocabulary ({its.size:,} tokens) than this run"
                f" ({own.size:,}); train both with the same tokenizer and corpus"
            )
        return run.model.eval().requires_grad_(False)


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, type]:
    return {"distillation": Distillation}
