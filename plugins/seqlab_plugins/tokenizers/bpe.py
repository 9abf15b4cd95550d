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
_MOST_TOKENS = 1_000_000  # the library makes room for all of them before it reads a text
# Bytes of a word; what is longer (text without spaces) is cut, as the library counts and joins the
# pairs of a word in a time that grows with the square of it.
_LONGEST = 2048
_RUN = _LONGEST // 4  # characters, of which UTF-8 makes so many bytes at most
_LONG_WORD = re.compile(rf"(?<![^ \n])[^ \n]{{{_RUN},}}|(?<!\s)\s{{{_RUN},}}")
_BLOCK = 1 << 15  # characters encoded at once, which takes some hundred times their size in memory
_TOGETHER = 16  # blocks, shared out to the cores
# No token reaches over a place before a single line feed between characters that are no spaces.
_PLACE = re.compile(r"(?<=[!-~\w])(?=\n[!-~\w])")


class BytePairs:
    """Byte pair encoding as GPT-2 has it: pairs of tokens that are frequent become a token.

    It begins with the 256 bytes of UTF-8, so that every text has ids (Sennrich et al., 2016,
    https://arxiv.org/abs/1508.07909; Radford et al., 2019). The same text gives the same tokens.
    A word of more than 2048 bytes, as a text without spaces is one, is cut into such lengths.
    Needs the extra: pip install 'seqlab[bpe]'.

    Args:
        vocabulary: how many tokens there are at most, the 256 bytes among them.
        min_frequency: how often a pair must occur to become a token.
        end_of_document: put a token of its own, one more, between documents.
    """

    unknown_token = None

    def __init__(
        self,
        *,
        vocabulary: Annotated[int, Field(ge=_BYTES, le=_MOST_TOKENS)] = 4096,
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
        self._learn(sorted(_BYTE_OF), [])

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
        whole = self._around(self._library.models.BPE())
        whole.train_from_iterator(_texts(documents), trainer=trainer)
        model = json.loads(whole.to_str())["model"]
        self._learn(sorted(model["vocab"], key=model["vocab"].get), model["merges"])

    def encode(self, text: str) -> NDArray[np.int32]:
        utf8(text)  # refuses what has no bytes
        ids = [np.empty(0, dtype=np.int32)]
        blocks = _blocks(text)
        while some := list(islice(blocks, _TOGETHER)):
            long = any(map(_LONG_WORD.search, some))
            found = (self._encoder if long else self._quick_encoder).encode_batch_fast(some)
            ids += [np.array(one.ids, dtype=np.int32) for one in found]
        return np.concatenate(ids)

    def token_bytes(self, token: int) -> bytes:
        return b"" if token == self.end_of_document else self._spelt[token]

    def state_dict(self) -> dict[str, Any]:
        return {"tokens": self._tokens, "merges": self._merges}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._learn(list(state["tokens"]), state["merges"])

    def _learn(self, tokens: list[str], merges: Sequence[Sequence[str]]) -> None:
        self._tokens = tokens
        self._merges = [list(pair) for pair in merges]
        self._spelt = [bytes(_BYTE_OF[letter] for letter in token) for token in tokens]
        ids = {token: number for number, token in enumerate(tokens)}
        pairs = [(first, second) for first, second in self._merges]
        self._encoder = self._around(self._library.models.BPE(vocab=ids, merges=pairs))
        self._quick_encoder = self._without_long_words()

    def _around(self, model: Any) -> Any:
        """A tokenizer that cuts text into words, writes their bytes as letters, asks a model."""
        whole, cuts = self._library.Tokenizer(model), self._library.pre_tokenizers
        words = cuts.ByteLevel(add_prefix_space=False, use_regex=True)
        pieces = cuts.Split(self._library.Regex(f".{{1,{_LONGEST}}}"), "isolated")
        whole.pre_tokenizer = cuts.Sequence([words, pieces])
        return whole

    def _without_long_words(self) -> Any:
        """The same for text that has no long word: to look for them takes half as long again."""
        cuts = self._library.pre_tokenizers
        whole = self._library.Tokenizer(self._encoder.model)
        whole.pre_tokenizer = cuts.ByteLevel(add_prefix_space=False, use_regex=True)
        return whole


def _byte_of() -> dict[str, int]:
    """GPT-2 writes a byte as the character of its number; one without a face from U+0100 on."""
    faces = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    faceless = [byte for byte in range(_BYTES) if byte not in faces]
    others = {chr(_BYTES + number): byte for number, byte in enumerate(faceless)}
    return {chr(byte): byte for byte in faces} | others


_BYTE_OF = _byte_of()


def _texts(documents: Iterable[Document]) -> Iterator[str]:
    for number, document in enumerate(documents, 1):
        for piece in text_pieces(document):
            try:
                utf8(piece)
            except ValueError as error:
                raise CorpusError(f"document {number}: {error}") from None
            yield from _blocks(piece)


def _blocks(text: str) -> Iterator[str]:
    """Cut a long text where no token can lie across; they are encoded as the whole would be."""
    start = 0
    while found := _PLACE.search(text, start + _BLOCK):
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


@hookimpl
def seqlab_register_tokenizers() -> dict[str, type[Tokenizer]]:
    return {"bpe": BytePairs}
