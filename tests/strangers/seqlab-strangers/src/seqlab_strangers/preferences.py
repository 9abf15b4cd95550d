"""Learning from preferences: a corpus of pairs, batches that keep them together, an objective.

Shapes: B rows, of which the first half is preferred; T window, O size of hidden outputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

import seqlab

SEQLAB_API = 2


class PreferencePairs:
    """Pairs of answers as documents, the preferred one first; prompts do not count.

    Args:
        path: Required. A file of JSON lines, each with `prompt`, `chosen` and `rejected`.
    """

    splits = ("train",)

    def __init__(self, *, path: Path) -> None:
        self.path = path

    def documents(self, split: str) -> Iterator[list[str]]:
        for prompt, *answers in self._pairs():
            for answer in answers:
                yield [seqlab.Weighted(prompt, 0.0), answer]

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(list(self._pairs())).encode()).hexdigest()

    def _pairs(self) -> Iterator[tuple[str, str, str]]:
        try:
            with self.path.open(encoding="utf-8") as file:
                for line in file:
                    pair = json.loads(line)
                    yield pair["prompt"], pair["chosen"], pair["rejected"]
        except OSError as error:
            raise seqlab.CorpusUnavailable(f"{self.path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise seqlab.CorpusError(f"{self.path}: {error!r}") from None


class Pairs:
    """Two documents after each other as rows of one batch: row i and row i + B/2.

    A document longer than the window loses its end; one without a partner is beside an empty row.

    Args:
        pairs: how many are in a batch.
        window: T, at most; a batch is as wide as its longest document.
    """

    documents = "fresh"

    def __init__(
        self,
        tokens: seqlab.Tokens,
        seed: int,
        *,
        pairs: seqlab.Count = 8,
        window: seqlab.Count = 128,
    ) -> None:
        self.tokens, self.seed, self.pairs = tokens, seed, pairs
        starts = np.unique(tokens.documents)
        starts = starts[starts < len(tokens)]
        self.starts, self.ends = starts, np.append(starts[1:], len(tokens))
        self.stops = np.minimum(self.ends - 1, starts + window)  # behind the last input
        self.count = -(-len(starts) // 2)
        if not (self.stops > starts).any():
            raise seqlab.CorpusError("the corpus is too short: it has no document of two tokens")

    def __len__(self) -> int:
        return -(-self.count // self.pairs)

    def batch(self, epoch: int, index: int) -> seqlab.Batch:
        last = min((index + 1) * self.pairs, self.count)
        shuffle = seqlab.Permutation(self.count, self.seed, epoch)
        first = 2 * shuffle(np.arange(index * self.pairs, last))
        rows = np.concatenate((first, first + 1))
        alone = rows >= len(self.starts)
        rows = np.where(alone, rows - 1, rows)
        starts = self.starts[rows]
        stops = np.where(alone, starts, self.stops[rows])
        width = max(int((stops - starts).max()), 1)
        return self.tokens.windows(starts, width, stops=stops)

    def left_out(self, epoch: int) -> Sequence[range]:
        firsts = [range(start, start + 1) for start in self.starts.tolist() if start > 0]
        pairs = zip(self.stops.tolist(), self.ends.tolist(), strict=True)
        return firsts + [range(stop + 1, end) for stop, end in pairs if stop + 1 < end]


class Preference:
    """Preferred answers become more probable than others: Rafailov et al., 2023, arXiv:2305.18290.

    Needs the sampler `pairs`: the first half of a batch is preferred to the second. Evaluations
    have no pairs: there it is the likelihood, and the parts are unknown.

    Args:
        reference: the run that training should stay near: a folder, or a name under `runs`; null:
            none (Hong et al., 2024, arXiv:2403.07691, go without).
        beta: how much a nat of difference counts.
        likelihood: factor of the nats of preferred answers, which are trained besides.
    """

    parts = ("preference", "preferred")

    def __init__(
        self,
        *,
        reference: str | None = None,
        beta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1,
        likelihood: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1,
    ) -> None:
        self.reference, self.beta, self.likelihood = reference, beta, likelihood

    def before_training(self) -> None:
        """Find the reference."""
        if self.reference is not None:
            _ = self._model

    @cached_property
    def _model(self) -> Any:
        return seqlab.open_run(self.reference).model.eval().requires_grad_(False)

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        if len(hidden) % 2:
            raise ValueError("objective 'preference' needs pairs of rows, as of sampler: pairs")
        chances = -self._nats(head(hidden), window.targets)  # (B, T)
        counts = torch.ones_like(chances) if window.weights is None else window.weights
        shares = torch.as_tensor(window.shares, device=hidden.device).expand_as(chances)
        answers = (chances * counts).sum(1)
        if self.reference is not None:
            answers = answers - self._reference_answers(window, counts)
        better, worse = answers.chunk(2)
        weight = torch.stack(shares.sum(1).chunk(2)).sum(0)  # of each pair
        pair_loss = functional.softplus(-self.beta * (better - worse))
        preference = (weight * pair_loss).sum()
        preferred = (weight * (better > worse)).sum()
        likelihood = -(shares * chances).chunk(2)[0].sum()
        loss = preference + self.likelihood * likelihood
        return seqlab.Terms(loss, -chances.detach(), (preference, preferred))

    def score(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        nats, right = seqlab.head_scores(head, hidden, window.targets)
        unknown = nats.new_full((), torch.nan)
        return seqlab.Terms((nats * window.shares).sum(), nats, (unknown, unknown), right)

    def _reference_answers(self, window: seqlab.Window, counts: Tensor) -> Tensor:
        with torch.no_grad():
            logits, _ = self._model.to(counts.device)(window.inputs, None)
            return -(self._nats(logits, window.targets) * counts).sum(1)

    @staticmethod
    def _nats(logits: Tensor, targets: Tensor) -> Tensor:
        chances = logits.float().log_softmax(-1)
        return -chances.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


@seqlab.hookimpl
def seqlab_register_corpora() -> dict[str, Callable[..., seqlab.Corpus]]:
    return {"preference_pairs": PreferencePairs}


@seqlab.hookimpl
def seqlab_register_samplers() -> dict[str, Callable[..., seqlab.Sampler]]:
    return {"pairs": Pairs}


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, Callable[..., seqlab.Objective]]:
    return {"preference": Preference}
