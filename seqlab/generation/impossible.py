"""Token ids that are never generated: their logits are -inf, whatever decoder chooses."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from seqlab.contracts import Tokenizer, offered
from seqlab.model.language_model import LanguageModel
from seqlab.model.linear_head import is_linear
from seqlab.training.metrics import TokenSize, has_text

M = TypeVar("M", bound=nn.Module)


def without_text(tokenizer: Tokenizer) -> frozenset[int]:
    """Return the ids that no text has: of unknown text, and those that are reserved."""
    reserved = (offered(tokenizer, "reserved") or {}).values()
    return frozenset({*_unknown(tokenizer), *reserved})


def _unknown(tokenizer: Tokenizer) -> list[int]:
    if hasattr(tokenizer, "unknown_token"):  # not `offered`: None says that there is none
        return [] if tokenizer.unknown_token is None else [tokenizer.unknown_token]
    ids = range(tokenizer.size) if has_text(tokenizer) else ()
    return [token for token in ids if TokenSize.of(tokenizer, token).unknown]


def without_tokens(model: LanguageModel, ids: Iterable[int]) -> LanguageModel:
    """Return a model with the same weights, to which these ids are impossible.

    Log-probabilities are then those of the ids that are left. The model itself is left as it is.
    """
    tokens = sorted(ids)
    if not tokens:
        return model
    masked = _with_own(model, "_modules")
    masked.head = _masked_head(model.head, tokens, model.vocabulary)
    return masked


def _masked_head(head: nn.Module, tokens: list[int], size: int) -> nn.Module:
    """A linear head stays one, as there are faster ways for it."""
    if not is_linear(head):
        return _Masked(head, tokens, size)
    bias = torch.zeros_like(head.weight[:, 0]) if head.bias is None else head.bias.detach().clone()
    bias[tokens] = -torch.inf
    masked = _with_own(head, "_parameters")
    masked.bias = nn.Parameter(bias, requires_grad=False)
    return masked


def _with_own(module: M, registered: str) -> M:
    """Copy a module, but none of its tensors: what is put into the copy is not in the module."""
    copied = copy(module)
    copied.__dict__[registered] = dict(module.__dict__[registered])
    return copied


class _Masked(nn.Module):
    """Any other head; the ids stay on the CPU until they are used."""

    def __init__(self, head: nn.Module, tokens: list[int], size: int) -> None:
        super().__init__()
        self.head, self._mask = head, torch.zeros(size, dtype=torch.bool)
        self._mask[tokens] = True

    def forward(self, hidden: Tensor) -> Tensor:
        """Map hidden outputs (…, O) to logits (…, V)."""
        logits: Tensor = self.head(hidden)
        return logits.masked_fill(self._mask.to(logits.device), -torch.inf)
