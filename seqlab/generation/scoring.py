"""Text in -> the surprisal of each of its tokens out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from seqlab.contracts import Tokenizer
from seqlab.documents import in_blocks, text_pieces
from seqlab.errors import UsageError
from seqlab.generation.prefixes import ready_to_predict
from seqlab.kernels import tuning
from seqlab.memory_remedies import MemoryRemedies
from seqlab.model.language_model import LanguageModel
from seqlab.training.loss import perplexity, token_nats
from seqlab.training.metrics import TokenSize


@dataclass(frozen=True)
class Scored:
    """A text with the surprisal -ln p of each token, in nats.

    The first token has none (None), and counts in no number. `loss` is the mean surprisal of the
    `predicted` tokens; `perplexity` is exp(loss), None if that is too large for a float;
    `bits_per_character` is None if a token stands for unknown text or for no text.
    """

    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    surprisal: tuple[float | None, ...]
    loss: float
    perplexity: float | None
    bits_per_character: float | None

    @property
    def predicted(self) -> int:
        """The number of tokens that have a surprisal."""
        return sum(nats is not None for nats in self.surprisal)


class ScoredToken(NamedTuple):
    """A token with its surprisal -ln p in nats; that of the first token is None."""

    id: int
    bytes: bytes
    surprisal: float | None


class Totals:
    """Sums over scored tokens; the first of a text counts in none."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.nats = self.characters = 0.0
        self.tokens = self.scored = 0

    def add(self, token: ScoredToken) -> None:
        self.tokens += 1
        if token.surprisal is not None:
            self.scored += 1
            self.nats += token.surprisal
            self.characters += TokenSize.of(self._tokenizer, token.id).characters

    @property
    def loss(self) -> float:
        """The mean surprisal, in nats."""
        return self.nats / self.scored

    @property
    def bits_per_character(self) -> float | None:
        """None: a token stands for unknown text or for no text."""
        return self.nats / math.log(2) / self.characters if self.characters > 0 else None

    def check(self) -> None:
        """Raise UsageError if there is nothing to predict."""
        if not self.scored:
            count = self.tokens
            raise UsageError(f"a text to score needs at least 2 tokens; this one has {count}")


def score(model: LanguageModel, tokenizer: Tokenizer, text: str) -> Scored:
    """Score a text from a fresh state.

    Raises:
        UsageError: the text has fewer than two tokens, or text without an id.
    """
    with MemoryRemedies("scoring a text", "score it in parts, or use another train.device"):
        tokens, totals = list(score_tokens(model, tokenizer, [text])), Totals(tokenizer)
    for token in tokens:
        totals.add(token)
    totals.check()
    return Scored(
        text=text,
        ids=tuple(token.id for token in tokens),
        tokens=tuple(token.bytes.decode("utf-8", "replace") for token in tokens),
        surprisal=tuple(token.surprisal for token in tokens),
        loss=totals.loss,
        perplexity=perplexity(totals.loss),
        bits_per_character=totals.bits_per_character,
    )


def score_tokens(
    model: LanguageModel, tokenizer: Tokenizer, pieces: Iterable[str]
) -> Iterator[ScoredToken]:
    """Score a text that comes in pieces, as it is read, from a fresh state.

    Raises:
        UsageError: something in it has no id, or the model predicts no next token.
    """
    ready_to_predict(model)
    last: int | None = None
    state: Any = None
    for ids in _windows(tokenizer, pieces):
        row = torch.tensor([ids if last is None else [last, *ids]], device=model.device)
        surprisal: list[float | None] = [None] if last is None else []
        if row.shape[1] > 1:
            with torch.inference_mode():  # left before each yield: it is a setting of the thread
                logits, state = model(row[:, :-1], state)
                surprisal += token_nats(logits, row[:, 1:])[0].tolist()
        last = ids[-1]
        for token, nats in zip(ids, surprisal, strict=True):
            yield ScoredToken(token, tokenizer.token_bytes(token), nats)


def _windows(tokenizer: Tokenizer, pieces: Iterable[str]) -> Iterator[list[int]]:
    """Yield the ids of a text, as many at once as bound the memory."""
    offset, size = 0, tuning.PREFIX_WINDOW + 1  # the first token is only read
    for piece in text_pieces(in_blocks(iter(pieces))):
        try:
            ids = [int(i) for i in tokenizer.encode(piece)]
        except ValueError as error:
            after = f", from character {offset:,} on" if offset else ""
            raise UsageError(f"the text to score{after}: {error}") from None
        offset += len(piece)
        begin = 0
        while begin < len(ids):
            yield ids[begin : begin + size]
            begin, size = begin + size, tuning.PREFIX_WINDOW
