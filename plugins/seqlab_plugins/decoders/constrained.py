"""A decoder whose text matches an expression, around another decoder.

Shapes: B rows, V vocabulary size, t tokens so far.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from seqlab import (
    COMPLETE,
    STUCK,
    DecoderFactory,
    State,
    Tokenizer,
    chooser,
    component,
    hookimpl,
)
from seqlab_plugins.decoders.expressions import Expression, Mask, of_pattern, of_schema

log = logging.getLogger("seqlab.constrained")

ANY_TEXT = r"(?s:.*)"
GREEDY = component("greedy")


class Constrained:
    """Only text that matches a regular expression or a JSON Schema, by another decoder.

    The continuation as a whole matches, without the prefix. Tokens that lead away from it are left
    out, also ones that are parts of characters, and `inner` chooses among the rest. Where the
    expression is complete the tokenizer's `end_of_document` is allowed, too; with a tokenizer that
    has none, the text ends as soon as `inner` chooses what does not fit. Where nothing may follow
    it ends by itself. A text that no token can continue is stuck: it ends with a warning.

    Args:
        pattern: a regular expression, in the syntax of Rust's `regex`: without look-around and
            back-references. The default is any text in whole characters.
        schema: a JSON Schema in place of a pattern; the JSON has no spaces between its parts.
        inner: the decoder that chooses among the tokens that fit.
    """

    may_end = True

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        pattern: Annotated[str, Field(max_length=100_000)] = ANY_TEXT,
        schema: dict[str, Any] | None = None,
        inner: DecoderFactory = GREEDY,
    ) -> None:
        if schema is not None and pattern != ANY_TEXT:
            raise ValueError("has a pattern and a schema: give one of them")
        grammar = of_schema(schema) if schema is not None else of_pattern(pattern)
        self._expression = Expression(tokenizer, grammar)
        self._end, self._choose = tokenizer.end_of_document, chooser(inner())
        if not self._place(()).fits.any() and self._place(()).ending == STUCK:
            raise ValueError("no token of the vocabulary begins a text that fits the expression")

    def choose(
        self,
        logits: Tensor,
        history: Tensor,
        uniform: Tensor,
        prefix_lengths: Tensor,
        memory: State | None,
    ) -> tuple[Tensor, State]:
        """The memory is that of the inner decoder."""
        rows = zip(history.tolist(), prefix_lengths.tolist(), strict=True)
        texts = [tuple(row[length:]) for row, length in rows]
        places = [self._place(text) for text in texts]
        allowed = torch.from_numpy(np.stack([place.allowed for place in places]))  # (B, V)
        masked = logits.masked_fill(~allowed.to(logits.device), -torch.inf)
        ids, after = self._choose(masked, history, uniform, prefix_lengths, memory)
        chosen = [place.chosen(token) for place, token in zip(places, ids.tolist(), strict=True)]
        for text, token in zip(texts, chosen, strict=True):
            if token == STUCK:
                written = self._expression.text(text)
                log.warning("decoder 'constrained': no token of the vocabulary fits %r", written)
        return torch.tensor(chosen, device=ids.device), after

    def _place(self, text: tuple[int, ...]) -> Place:
        """What may come after a text."""
        if self._end is not None and self._end in text:
            return _end(self._expression.size, COMPLETE)
        fits, complete = self._expression.after(text)
        if self._end is not None:
            fits[self._end] = complete
        elif complete and fits.any():
            return Place(np.ones_like(fits), fits, COMPLETE)
        if fits.any():
            return Place(fits, fits)
        return _end(len(fits), COMPLETE if complete else STUCK)


@dataclass(frozen=True)
class Place:
    """What may come next: the inner decoder chooses of `allowed`; what is not in `fits` ends it."""

    allowed: Mask
    fits: Mask
    ending: int = STUCK

    def chosen(self, token: int) -> int:
        """Return a token that fits, or the ending that takes its place."""
        return token if self.fits[token] else self.ending


def _end(size: int, ending: int) -> Place:
    """Nothing fits; the inner decoder is asked all the same, so that its rows stay together."""
    return Place(np.ones(size, bool), np.zeros(size, bool), ending)


@hookimpl
def seqlab_register_decoders() -> dict[str, type[Constrained]]:
    return {"constrained": Constrained}
