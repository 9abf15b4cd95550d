"""Decoders and what to check them with. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqlab.contracts import SearchDecoder, Start, State, offered
from seqlab.randomness import uniforms
from seqlab.testing.promises import NotApplicable, Subject, expect

ROWS, SIZE = 6, 17
HISTORY = 8
FIRST = 0x4E00  # the character of token 0
SURROGATES = range(0xD800, 0xE000)  # no characters: half of one each


class Arguments(NamedTuple):
    """What `choose` is given, but for a memory."""

    logits: Tensor  # (B, V)
    history: Tensor  # (B, t)
    uniform: Tensor  # (B,)
    prefix_lengths: Tensor  # (B,)

    def rows(self, rows: Tensor) -> Arguments:
        return Arguments(*(part[rows] for part in self))


def build_decoder(subject: Subject, size: int = SIZE) -> Any:
    """Build the decoder for a vocabulary of `size` tokens."""
    decoder = subject.build(tokenizer=ToyTokenizer(size))
    either = any(callable(offered(decoder, name)) for name in ("choose", "search"))
    expect(either, "a method `choose` or `search`", type(decoder).__name__)
    return decoder


def build_choosing(subject: Subject, size: int = SIZE) -> Any:
    """Build a decoder that has a `choose`; raise NotApplicable if it searches instead."""
    decoder = build_decoder(subject, size)
    if isinstance(decoder, SearchDecoder):
        raise NotApplicable("it searches instead of choosing")
    return decoder


def names_of_choose(decoder: Any) -> set[str]:
    """Which parameters its `choose` has."""
    return {*inspect.signature(decoder.choose).parameters}


def call_choose(decoder: Any, given: Arguments, memory: State | None = None) -> Any:
    """Call `choose` with what it names; return what it returns."""
    further = {"prefix_lengths": given.prefix_lengths, "memory": memory}
    names = names_of_choose(decoder)
    return decoder.choose(*given[:3], **{name: further[name] for name in further if name in names})


def draw_arguments(
    rows: int = ROWS, size: int = SIZE, length: int = HISTORY, uniform: float | None = None
) -> Arguments:
    """Arguments of `choose`; uniform is spread over [0, 1) unless it is given."""
    generator = torch.Generator().manual_seed(size + length)
    logits = torch.randn(rows, size, generator=generator) * 2
    history = torch.randint(size, (rows, length), generator=generator)
    drawn = torch.rand(rows, generator=generator, dtype=torch.float64)
    uniforms = drawn if uniform is None else torch.full_like(drawn, uniform)
    return Arguments(logits, history, uniforms, torch.arange(rows) % length + 1)


class ToyTokenizer:
    """A fitted tokenizer of `size` characters, without an end of a document."""

    end_of_document = unknown_token = None

    def __init__(self, size: int) -> None:
        self.size = size

    def fit(self, documents: Any) -> None:
        pass

    def encode(self, text: str) -> NDArray[np.int64]:
        codes = np.array([ord(character) for character in text], np.int64)
        ids = codes - FIRST - len(SURROGATES) * (codes >= SURROGATES.stop)
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.size:
            raise ValueError(f"{text!r} has characters that are no tokens")
        return ids

    def token_bytes(self, token: int) -> bytes:
        code = FIRST + token
        return chr(code if code < SURROGATES.start else code + len(SURROGATES)).encode()

    def state_dict(self) -> dict[str, Any]:
        return {"size": self.size}

    def load_state_dict(self, state: Any) -> None:
        self.size = state["size"]


class ToyModel:
    """A model whose state depends on all tokens so far: two numbers a row, in two shapes.

    A state that is not reordered with its row, in whole or in part, leads to other logits. The
    logits of ids that are `impossible` are -inf.
    """

    def __init__(self, size: int = SIZE, impossible: Sequence[int] = ()) -> None:
        self.size, self._impossible = size, [*impossible]

    def __call__(self, ids: Tensor, state: Any) -> tuple[Tensor, State]:
        logits, after = self._step(ids, state)
        return self._masked(logits), after

    def _masked(self, logits: Tensor) -> Tensor:
        if self._impossible:
            logits = logits.clone()
            logits[..., self._impossible] = -torch.inf
        return logits

    def _step(self, ids: Tensor, state: Any) -> tuple[Tensor, State]:
        first, (second,) = state
        after = (first * 31 + ids + 1) % 1_000_003, ((second * 37 + ids[:, None] + 1) % 999_983,)
        rows = (after[0] * 1_000_003 + after[1][0][:, 0])[:, None].expand(-1, self.size)
        tokens = torch.arange(self.size).expand_as(rows)
        return torch.from_numpy(4 * uniforms(0, rows.numpy(), tokens.numpy())).float(), after

    def window(self, ids: Tensor, state: Any) -> tuple[Tensor, State]:
        """Hidden outputs (B, T, V + 1), which are the logits and one number more."""
        first = ids[:, 0]
        outputs, after = [], (first, (first[:, None] + 7,)) if state is None else state
        for column in ids.unbind(1):
            logits, after = self._step(column, after)
            outputs.append(torch.cat((logits, logits[:, :1] * 3 - 1), 1))
        return torch.stack(outputs, 1), after

    def head(self, hidden: Tensor) -> Tensor:
        return self._masked(hidden[..., :-1])

    def start(self) -> Start:
        """Where a search begins, after a prefix of one token that differs from row to row."""
        numbers = torch.arange(ROWS)
        history = numbers[:, None] % self.size
        hidden, state = self.window(history, None)
        logits, rows = self.head(hidden[:, -1]), numbers * 1_000 + 3
        return Start(logits, state, history, rows, window=self.window, head=self.head)
