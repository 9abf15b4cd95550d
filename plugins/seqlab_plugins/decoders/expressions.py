"""Regular expressions and JSON Schemas over the tokens of a vocabulary (V), by llguidance."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqlab import Tokenizer

Mask: TypeAlias = NDArray[np.bool_]

KEPT = 4096  # texts whose place in the expression is kept
COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
# Otherwise it allows one way only to cut a text that must come into tokens.
ANY_TOKENS = '%llguidance {"no_forcing": true}\n'


def of_pattern(pattern: str) -> str:
    """The grammar of a regular expression.

    Raises:
        ValueError: the library is not installed.
    """
    matcher = _library().LLMatcher
    (grammar,) = json.loads(matcher.grammar_from_regex(pattern))["grammars"]
    return str(matcher.grammar_from_lark(ANY_TOKENS + grammar["lark_grammar"]))


def of_schema(schema: dict[str, Any]) -> str:
    """The grammar of a JSON Schema; raise ValueError as `of_pattern` does."""
    compact = json.dumps({**schema, "x-guidance": COMPACT})
    return str(_library().LLMatcher.grammar_from_lark(f"{ANY_TOKENS}start: %json {compact}"))


class Expression:
    """Which tokens may come after a text. Tokens without a text of their own never may.

    Raises:
        ValueError: the grammar is not valid, or too large.
    """

    def __init__(self, tokenizer: Tokenizer, grammar: str) -> None:
        self.size = tokenizer.size
        self._bytes = [tokenizer.token_bytes(token) for token in range(self.size)]
        # The library reads a token that begins with 0xff as a special one; no UTF-8 has it.
        texts = [b"" if data.startswith(b"\xff") else data for data in self._bytes]
        slots = {data: slot for slot, data in enumerate(dict.fromkeys(filter(None, texts)))}
        self._textless = len(slots)
        self._slots = np.array([slots.get(data, self._textless) for data in texts])  # (V,)
        library = _library()
        vocabulary = library.LLTokenizer(library.TokenizerWrapper(_Vocabulary([*slots])), slices=[])
        self._fresh = library.LLMatcher(vocabulary, grammar, log_level=0)
        if self._fresh.is_error():
            raise ValueError(_reason(self._fresh.get_error()))
        self._kept: OrderedDict[tuple[int, ...], _Place] = OrderedDict()

    def after(self, text: tuple[int, ...]) -> tuple[Mask, bool]:
        """Which tokens may come after a text, (V,), and whether it matches as it is."""
        place = self._kept.get(text)
        if place is None:
            place = _Place(self._matcher(text))
            self._kept[text] = place
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        bits = np.frombuffer(place.bits, np.uint8)
        fits = np.unpackbits(bits, bitorder="little").astype(bool)
        fits[self._textless] = False
        return fits[self._slots], place.complete

    def _matcher(self, text: tuple[int, ...]) -> Any:
        """The library's matcher after a text: one token after that of a shorter text, if kept."""
        before = self._kept.get(text[:-1]) if text else None
        matcher = (before.matcher if before else self._fresh).deep_copy()
        for token in text[-1:] if before else text:
            matcher.consume_token(int(self._slots[token]))
        return matcher

    def text(self, ids: Sequence[int]) -> str:
        return b"".join(self._bytes[token] for token in ids).decode("utf-8", "replace")


def _reason(message: str) -> str:
    """The line of a message of the library that says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return f"the expression is not valid: {(errors or lines or ['unknown'])[0][:300]}"


class _Place:
    def __init__(self, matcher: Any) -> None:
        self.matcher, self.complete = matcher, bool(matcher.is_accepting())
        self.bits: bytes = matcher.compute_bitmask()


class _Vocabulary:
    """What the library reads of a tokenizer: texts, and one token without a text behind them."""

    bos_token_id = unk_token_id = None

    def __init__(self, texts: list[bytes]) -> None:
        self.tokens, self.eos_token_id = [*texts, b"<end>"], len(texts)
        self.special_token_ids = [len(texts)]

    def __call__(self, text: object) -> list[int]:
        return []


def _library() -> Any:
    try:
        import llguidance
    except ImportError:
        raise ValueError(
            "decoder 'constrained' needs a package: pip install 'seqlab[constrained]'"
        ) from None
    return llguidance
