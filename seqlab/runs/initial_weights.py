"""Weights that a new run takes from another one where they fit: `train.init_from`.

A weight fits by its name and its shape. Along an axis of tokens it need not have the same size:
what belongs to a token is taken for that token, wherever it stands in either vocabulary.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import Tokenizer
from seqlab.errors import CheckpointError
from seqlab.registry import Resolved
from seqlab.runs.building import build_model, outline
from seqlab.runs.loaded_run import Run
from seqlab.vocabulary import Vocabulary

log = logging.getLogger(__name__)

MOST_NAMED = 20  # names in one line of the log


@dataclass(frozen=True)
class FittingWeights:
    """The weights of a run, for the models of an experiment."""

    resolved: Resolved
    run: Run
    mean: bool = False
    """Whether a token that is new begins with the mean of all tokens of the run."""

    def __call__(self, model: nn.Module, tokenizer: Tokenizer) -> dict[str, Any]:
        """Copy into a model what fits, and log what does not.

        Returns:
            What is noted in `run.json`: the run, its step, how many tokens both vocabularies have,
            the names of the weights that were taken, of those that stay as they were (with why),
            and of those of the run that nobody takes.

        Raises:
            CheckpointError: nothing fits.
        """
        saved = self.run.checkpoint.weights
        tokens = _Tokens(self.run.tokenizer, tokenizer, self.mean)
        axes = _token_axes(self.resolved, tokenizer.size)
        sources = {name: _plain_name(name, saved) for name in model.state_dict()}
        fresh = {}
        for name, weight in model.state_dict().items():
            before = saved.get(sources[name])
            if why := _misfit(weight, before, axes[name], tokens):
                fresh[name] = why
            elif before is not None:
                _copy(weight, before.to(weight), axes[name], tokens)
        taken = [name for name in sources if name not in fresh]
        if not taken:
            message = f"no weight of {self.run.path} fits this model"
            raise CheckpointError(str(self.resolved.complaint(message, "train", "init_from")))
        used = {sources[name] for name in taken}
        unused = [name for name in saved if name not in used]
        shared = len(tokens.now)
        self._log(taken, fresh, unused, f"{shared:,} of {tokenizer.size:,}")
        return {
            "run": str(self.run.path),
            "id": self.run.description.get("id"),
            "step": self.run.checkpoint.step,
            "tokens": shared,
            "taken": taken,
            "fresh": fresh,
            "unused": unused,
        }

    def _log(
        self, taken: list[str], fresh: Mapping[str, str], unused: list[str], shared: str
    ) -> None:
        where = f"train.init_from: {self.run.path}"
        log.info("%s: %d weights are taken, with %s tokens", where, len(taken), shared)
        if fresh:
            named = _listed([f"{name} ({why})" for name, why in fresh.items()])
            log.warning("%s: these weights start afresh: %s", where, named)
        if unused:
            log.warning("%s: these of its weights are not used: %s", where, _listed(unused))


class _Tokens:
    """The tokens that two vocabularies share.

    Args:
        before: the vocabulary of the weights.
        now: that of the model.
        mean: whether the others of the model begin with the mean of the weights' own.
    """

    def __init__(self, before: Tokenizer, now: Tokenizer, mean: bool) -> None:
        self.mean = mean
        ids = {token: id_ for id_, token in enumerate(_tokens(before))}
        pairs = [(ids[token], id_) for id_, token in enumerate(_tokens(now)) if token in ids]
        self.size = before.size
        self.before, self.now = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).unbind(1)


def _tokens(tokenizer: Tokenizer) -> Iterator[tuple[bytes, int]]:
    """The bytes of each token, and how many before it have the same, such as none."""
    seen: Counter[bytes] = Counter()
    for token in range(tokenizer.size):
        data = tokenizer.token_bytes(token)
        yield data, seen[data]
        seen[data] += 1


def _token_axes(resolved: Resolved, vocabulary: int) -> dict[str, list[int]]:
    """The axes of each weight that have an entry for each token: one more token, one more entry."""
    grown = Vocabulary.unknown(vocabulary), Vocabulary.unknown(vocabulary + 1)
    shapes, larger = (_shapes(resolved, size) for size in grown)
    pairs = {name: zip(shape, larger[name], strict=True) for name, shape in shapes.items()}
    return {
        name: [a for a, sizes in enumerate(pair) if sizes == grown] for name, pair in pairs.items()
    }


def _shapes(resolved: Resolved, vocabulary: Vocabulary) -> dict[str, tuple[int, ...]]:
    model = outline(resolved, vocabulary)
    if model is None:  # its cell computes with its new weights
        model = build_model(resolved, vocabulary, torch.device("cpu"))
    return {name: tuple(weight.shape) for name, weight in model.state_dict().items()}


def _plain_name(name: str, saved: Mapping[str, Tensor]) -> str:
    """The name of a weight before one of torch's parametrizations was put around it."""
    plain = re.sub(r"parametrizations\.(\w+)\.original$", r"\1", name)
    return name if name in saved else plain


def _misfit(now: Tensor, before: Tensor | None, axes: Sequence[int], tokens: _Tokens) -> str:
    """Say why a weight cannot be taken; empty: it can."""
    if before is None:
        return "it has none"
    if axes and not now.is_floating_point():
        return "it is counted, not learned"
    if axes and not len(tokens.now):
        return "no token in common"
    expected = [tokens.size if axis in axes else size for axis, size in enumerate(now.shape)]
    if list(before.shape) == expected:
        return ""
    return f"{tuple(before.shape)} there, {tuple(now.shape)} here"


def _copy(now: Tensor, before: Tensor, axes: Sequence[int], tokens: _Tokens) -> None:
    """Copy a weight; along axes of tokens only what belongs to a token that both have."""
    if not axes:
        now.copy_(before)
        return
    axis, *others = axes
    if tokens.mean:
        first = now.narrow(axis, 0, 1).clone()
        _copy(first, before.mean(axis, keepdim=True), others, tokens)
        now.copy_(first.expand_as(now))
    source, target = (rows.to(now.device) for rows in (tokens.before, tokens.now))
    part = now.index_select(axis, target)
    _copy(part, before.index_select(axis, source), others, tokens)
    now.index_copy_(axis, target, part)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} others" if rest > 0 else "")
