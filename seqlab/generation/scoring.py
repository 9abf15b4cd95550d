"""Score a text; raise UsageError if it has text without an id, or fewer than two tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seqlab.contracts import Tokenizer
from seqlab.errors import UsageError
from seqlab.generation.prefixes import ready_to_predict
from seqlab.kernels import tuning
from seqlab.model.language_model import LanguageModel
from seqlab.training.loss import perplexity, token_nats
from seqlab.training.metrics import TokenSize


@dataclass(frozen=True)
class Scored:
    """A text with the surprisal -ln p of each token, in nats.

    The first token has none (None), and counts in no number. `loss` is the mean surprisal;
    `perplexity` is exp(loss), None if that is too large for a float; `bits_per_character` is None
    if a token stands for unknown text or for no text.
    """

    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    surprisal: tuple[float | None, ...]
    loss: float
    perplexity: float | None
    bits_per_character: float | None


@torch.inference_mode()
def score(model: LanguageModel, tokenizer: Tokenizer, text: str) -> Scored:
    """Score a text from a fresh state.

    Raises:
        UsageError: the text has fewer than two tokens, or text without an id.
    """
    try:
        ids = [int(i) for i in tokenizer.encode(text)]
    except ValueError as error:
        raise UsageError(f"the text to score: {error}") from None
    if len(ids) < 2:
        raise UsageError(f"a text to score needs at least 2 tokens; this one has {len(ids)}")
    parts = [tokenizer.token_bytes(token) for token in ids]
    surprisal = _surprisal(ready_to_predict(model), ids)
    nats = math.fsum(surprisal)
    loss = nats / len(surprisal)
    characters = sum(TokenSize.of(tokenizer, token).characters for token in ids[1:])
    return Scored(
        text=text,
        ids=tuple(ids),
        tokens=tuple(part.decode("utf-8", "replace") for part in parts),
        surprisal=(None, *surprisal),
        loss=loss,
        perplexity=perplexity(loss),
        bits_per_character=nats / math.log(2) / characters if characters > 0 else None,
    )


def _surprisal(model: LanguageModel, ids: Sequence[int]) -> list[float]:
    """Return the surprisal of every token but the first, read in windows."""
    row = torch.tensor([ids], device=model.device)
    surprisal: list[float] = []
    state = None
    for begin in range(0, len(ids) - 1, tuning.PREFIX_WINDOW):
        targets = row[:, begin + 1 : begin + 1 + tuning.PREFIX_WINDOW]
        logits, state = model(row[:, begin : begin + targets.shape[1]], state)
        surprisal += token_nats(logits, targets)[0].tolist()
    return surprisal
