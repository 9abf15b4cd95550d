"""Byte pair encoding, learned from the corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import CorpusError, Document, Tokenizer, hookimpl, text_pieces
from seqlab_plugins.tokenizers.basic import utf8

_BYTES = 256
_MAX_TOKENS = 1_000_000  # the library allocates all of them before it reads a text
# Longer words (text without spaces) are cut: the time of the library grows with the square of the
# length of a word.
_MAX_WORD = 2048  # bytes
_RUN = _MAX_WORD // 4  # characters, which have at most four bytes each
_LONG_WORD = re.compile(rf"(?<![^ \n])[^ \n]{{{_RUN},}}|(?<!\s)\s{{{_RUN},}}")
_BLOCK = 1 << 15  # characters encoded at once, which takes about a hundred times their memory
_BATCH = 16  # blocks, for all cores
# No token crosses the point before a single line feed between characters other than spaces.
_CUT = re.compile(r"(?<=[!-~\w])(?=\n[!-~\w])")


class BytePairs:
    """Byte pair encoding as in GPT-2: frequent pairs of tokens become a token.

    It starts from the 256 bytes of UTF-8, so that every text has ids (Sennrich et al., 2016,
    https://arxiv.org/abs/1508.07909; Radford et al., 2019). The same text gives the same tokens.
    Words of more than 2048 bytes, such as a text without spaces, are cut into pieces of that size.
    Needs the extra: pip install 'seqlab[bpe]'.

    Args:
        vocabulary: the most tokens, the 256 bytes included.
        min_frequency: how often a pair must occur to become a token.
        end_of_document: put an own token, in addition to these, between documents.
    """

    unknown_token = None

    def __init__(
        self,
        *,
        vocabulary: Annotated[int, Field(ge=_BYTES, le=_MAX_TOKENS)] = 4096,
        min_frequency: Annotated[int, Field(gt=0, le=1_000_000_000)] = 2,
        end_of_document: bool = False,
    ) -> None:
        try:
            import tokenizers
        except ImportError:
            raise ValueError("tokenizer 'bpe' needs a package: pip install 'seqlab[bpe]'") from None
        self._library = tokenizers
        self._vocabulary = vocabulary
        self._min_frequency = min_frequency
        self._ends = end_of_document
        self._set_vocabulary(sorted(_BYTE_OF), [])

    @property
    def size(self) -> int:
        return len(self._tokens) + self._ends

    @property
    def end_of_document(self) -> int | None:
        return len(self._tokens) if self._ends else None

    def fit(self, documents: Iterable[Document]) -> None:
        trainer = self._library.trainers.BpeTrainer(
            vocab_size=self._vocabulary,
            min_frequency=self._min_frequency,
            initial_alphabet=sorted(_BYTE_OF),
            show_progress=False,
        )
        tokenizer = self._tokenizer(self._library.models.BPE())
        tokenizer.train_from_iterator(_texts(documents), trainer=trainer)
        model = json.loads(tokenizer.to_str())["model"]
        self._set_vocabulary(sorted(model["vocab"], key=model["vocab"].get), model["merges"])

    def encode(self, text: str) -> NDArray[np.int32]:
        utf8(text)  # refuses half surrogate pairs
        ids = [np.empty(0, dtype=np.int32)]
        blocks = _blocks(text)
        while batch := list(islice(blocks, _BATCH)):
            has_long_word = any(map(_LONG_WORD.search, batch))
            encoder = self._encoder if has_long_word else self._quick_encoder
            encodings = encoder.encode_batch_fast(batch)
            ids += [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        return np.concatenate(ids)

    def token_bytes(self, token: int) -> bytes:
        return b"" if token == self.end_of_document else self._token_bytes[token]

    def state_dict(self) -> dict[str, Any]:
        return {"tokens": self._tokens, "merges": self._merges}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._set_vocabulary(list(state["tokens"]), state["merges"])

    def _set_vocabulary(self, tokens: list[str], merges: Sequence[Sequence[str]]) -> None:
        self._tokens = tokens
        self._merges = [list(pair) for pair in merges]
        self._token_bytes = [bytes(_BYTE_OF[letter] for letter in token) for token in tokens]
        ids = {token: number for number, token in enumerate(tokens)}
        pairs = [(first, second) for first, second in self._merges]
        self._encoder = self._tokenizer(self._library.models.BPE(vocab=ids, merges=pairs))
        self._quick_encoder = self._tokenizer(self._encoder.model, cut_long_words=False)

    def _tokenizer(self, model: Any, *, cut_long_words: bool = True) -> Any:
        """A tokenizer of the library, which is slower by half if it cuts long words."""
        tokenizer, cuts = self._library.Tokenizer(model), self._library.pre_tokenizers
        words = cuts.ByteLevel(add_prefix_space=False, use_regex=True)
        pieces = cuts.Split(self._library.Regex(f".{{1,{_MAX_WORD}}}"), "isolated")
        tokenizer.pre_tokenizer = cuts.Sequence([words, pieces]) if cut_long_words else words
        return tokenizer


def _byte_of() -> dict[str, int]:
    """The bytes by GPT-2's letters: printable bytes as they are, the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = [byte for byte in range(_BYTES) if byte not in printable]
    shifted = {chr(_BYTES + number): byte for number, byte in enumerate(rest)}
    return {chr(byte): byte for byte in printable} | shifted


_BYTE_OF = _byte_of()


def bytes_of_letters(text: str) -> bytes:
    """Return the bytes that GPT-2's letters stand for; other characters are their UTF-8."""
    return b"".join(
        bytes([_BYTE_OF[letter]]) if letter in _BYTE_OF else letter.encode("utf-8", "replace")
        for letter in text
    )


def _texts(documents: Iterable[Document]) -> Iterator[str]:
    for number, document in enumerate(documents, 1):
        for piece in text_pieces(document):
            try:
                utf8(piece)
            except ValueError as error:
                raise CorpusError(f"document {number}: {error}") from None
            yield from _blocks(piece)


def _blocks(text: str) -> Iterator[str]:
    """Cut a long text where no token crosses the cut, so that the ids stay the same."""
    start = 0
    while match := _CUT.search(text, start + _BLOCK):
        yield text[start : match.start()]
        start = match.start()
    yield text[start:]


@hookimpl
def seqlab_register_tokenizers() -> dict[str, type[Tokenizer]]:
    return {"bpe": BytePairs}
