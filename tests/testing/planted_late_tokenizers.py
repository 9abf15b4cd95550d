"""Tokenizers with one mistake each that shows only in rare, long or many texts, or with files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

import seqlab


class Characters:
    """A token for each character that was seen; what the planted ones are made of."""

    end_of_document = None

    def __init__(self) -> None:
        self.letters: list[str] = []

    @property
    def size(self):
        return len(self.letters)

    def count(self, documents):
        counts: Counter[str] = Counter()
        for document in documents:
            for piece in seqlab.text_pieces(document):
                counts.update(piece)
        return counts

    def fit(self, documents):
        self.letters = sorted(self.count(documents))

    def encode(self, text):
        ids = {letter: token for token, letter in enumerate(self.letters)}
        try:
            return np.array([ids[letter] for letter in text], np.int64)
        except KeyError as error:
            raise ValueError(f"{error} has no id") from None

    def token_bytes(self, token):
        return self.letters[token].encode()

    def state_dict(self):
        return {"letters": self.letters}

    def load_state_dict(self, state):
        self.letters = list(state["letters"])


class LosesRareCharacters(Characters):
    """A character that was seen once only has no id, and is passed over."""

    rare: frozenset[str] = frozenset()

    def fit(self, documents):
        counts = self.count(documents)
        self.letters = sorted(letter for letter, n in counts.items() if n > 1)
        self.rare = frozenset(counts) - frozenset(self.letters)

    def encode(self, text):
        return super().encode("".join(letter for letter in text if letter not in self.rare))

    def state_dict(self):
        return {"letters": self.letters, "rare": sorted(self.rare)}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.rare = frozenset(state["rare"])


class TiesInTheOrderOfASet(Characters):
    """The most frequent first; of equals, whichever a set gives first."""

    def fit(self, documents):
        counts = self.count(documents)
        self.letters = sorted(set(counts), key=lambda letter: -counts[letter])


class CachesByLength(Characters):
    """Keeps the ids of a text under its length and its first and last character."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[int, str, str], np.ndarray] = {}

    def encode(self, text):
        key = (len(text), text[:1], text[-1:])
        if key not in self.kept:
            self.kept[key] = super().encode(text)
        return self.kept[key]


class LosesTheEndOfABlock(Characters):
    """Encodes blocks of 1000 characters, and what begins the last one is lost."""

    def encode(self, text):
        blocks = [text[n : n + 1000] for n in range(0, len(text), 1000)]
        cut = [block[1:] if n and n == len(blocks) - 1 else block for n, block in enumerate(blocks)]
        return super().encode("".join(cut))


class LineSeparatorsAreNewlines(Characters):
    """`splitlines` knows more ends of lines than a newline."""

    def fit(self, documents):
        super().fit([*documents, "\n"])

    def encode(self, text):
        end = "\n" if text.endswith("\n") else ""
        return super().encode("\n".join(text.splitlines()) + end)


class Bytes:
    """A token for each byte; what others are made of."""

    end_of_document = None
    size = 256

    def fit(self, documents):
        for document in documents:
            for _ in seqlab.text_pieces(document):
                pass

    def encode(self, text):
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)

    def token_bytes(self, token):
        return bytes([token])

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class ThinksInSixteenBits(Bytes):
    """A character beyond U+FFFF becomes another one."""

    def encode(self, text):
        return super().encode("".join(chr(ord(c) & 0xFFFF) if ord(c) > 0xFFFF else c for c in text))


class LosesAByteOfFour(Bytes):
    """Of characters of four bytes, the last is lost."""

    def encode(self, text):
        cut = [c.encode()[:3] for c in text]
        return np.frombuffer(b"".join(cut), np.uint8).astype(np.int64)


class IdsInABytes(Characters):
    """Ids of eight bits, which are enough for an alphabet."""

    def encode(self, text):
        return super().encode(text).astype(np.uint8)


class ForgetsLaterPieces(Characters):
    """Of a document in pieces, only the first is read."""

    def count(self, documents):
        return Counter("".join(next(iter(seqlab.text_pieces(d)), "") for d in documents))


class FromAFile(Bytes):
    """The words of a file have tokens, and all else is bytes; what others are made of.

    Args:
        file: words, one a line.
    """

    def __init__(self, *, file: Path = Path("words.txt")) -> None:
        self.file = file
        self.words = self.read()

    @property
    def size(self):
        return 256 + len(self.words)

    def read(self):
        return self.file.read_text("utf-8").split()

    def encode(self, text):
        pieces = re.split("|".join(f"({re.escape(word)})" for word in self.words), text)
        tokens = {word: 256 + n for n, word in enumerate(self.words)}
        ids = ([tokens[p]] if p in tokens else p.encode() for p in pieces if p)
        return np.array([token for some in ids for token in some], np.int64)

    def token_bytes(self, token):
        return bytes([token]) if token < 256 else self.words[token - 256].encode()

    def state_dict(self):
        return {"words": self.words}

    def load_state_dict(self, state):
        self.words = list(state["words"])


class SavesThePathOfItsFile(FromAFile):
    """A checkpoint has the path of the words instead of the words."""

    def state_dict(self):
        return {"file": str(self.file)}

    def load_state_dict(self, state):
        self.file = Path(state["file"])
        self.words = self.read()


class ReadsItsFileAgain(FromAFile):
    """Loads nothing, as the file has it all."""

    def load_state_dict(self, state):
        self.words = self.read()


class ReadsItsFileWhenAsked(FromAFile):
    """Looks a word up in the file when its bytes are asked for."""

    def token_bytes(self, token):
        return bytes([token]) if token < 256 else self.read()[token - 256].encode()
