"""Tokenizers that keep every promise, and the mistakes that authors make with one.

They are at the top of a file of their own, where another process finds them.
"""

from __future__ import annotations

import codecs
import random
import unicodedata
from collections import Counter
from itertools import count
from typing import Literal

import numpy as np

from seqlab import CorpusError, Ids, text_pieces


class Letters:
    """One id for each character, in the order in which they appear.

    Args:
        unknown: what happens to other characters.
    """

    end_of_document = None

    def __init__(self, *, unknown: Literal["error", "token"] = "error") -> None:
        self.unknown = unknown
        self.characters = []

    @property
    def size(self):
        return len(self.characters) + (self.unknown == "token")

    def read(self, documents):
        return "".join(piece for document in documents for piece in text_pieces(document))

    def fit(self, documents):
        self.characters = list(dict.fromkeys(self.read(documents)))

    def id_of(self, character):
        if character in self.characters:
            return self.characters.index(character)
        if self.unknown == "token":
            return len(self.characters)
        raise ValueError(f"{character!r} has no id")

    def encode(self, text):
        return np.array([self.id_of(character) for character in text], dtype=np.int64)

    def token_bytes(self, token):
        return [*self.characters, "\ufffd"][token].encode()

    def state_dict(self):
        return {"characters": list(self.characters)}

    def load_state_dict(self, state):
        self.characters = list(state["characters"])


class Bytes:
    """The bytes of UTF-8, and one id for the end of a document."""

    size = 257
    end_of_document = 256

    def fit(self, documents):
        for document in documents:
            for _ in text_pieces(document):
                pass

    def encode(self, text):
        return np.frombuffer(text.encode(), dtype=np.uint8)

    def token_bytes(self, token):
        return b"" if token == self.end_of_document else bytes([token])

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class OfASet(Letters):
    def fit(self, documents):
        self.characters = list(set(self.read(documents)))


class OfAHash(Letters):
    def fit(self, documents):
        self.characters = sorted(set(self.read(documents)), key=hash)


class CountsFromOne(Letters):
    def encode(self, text):
        return super().encode(text) + 1

    def token_bytes(self, token):
        return super().token_bytes(token - 1)


class ABatchOfOne(Letters):
    def encode(self, text):
        return super().encode(text)[None]


class FloatsAreIds(Letters):
    def encode(self, text):
        return super().encode(text).astype(np.float32)


class BeginsWithAToken(Bytes):
    def encode(self, text):
        return np.array([self.end_of_document, *text.encode()])


class SizeIsOfNumpy(Letters):
    @property
    def size(self):
        return np.int64(len(self.characters))


class LowerCase(Letters):
    def fit(self, documents):
        super().fit([self.read(documents).lower()])

    def encode(self, text):
        return super().encode(text.lower())


class Composed(Bytes):
    """Accents become part of their letters."""

    def encode(self, text):
        return super().encode(unicodedata.normalize("NFC", text))


class Words(Letters):
    """Whatever stands between words is one space."""

    def fit(self, documents):
        self.characters = [*dict.fromkeys(w for d in documents for w in "".join(d).split())]

    def encode(self, text):
        return np.array([self.characters.index(word) for word in text.split()], dtype=np.int64)

    def token_bytes(self, token):
        return super().token_bytes(token) + b" "


class Lines(Letters):
    """Line ends of every kind become one."""

    def encode(self, text):
        return super().encode("\n".join(text.splitlines()))


class MostFrequent(Letters):
    def __init__(self) -> None:
        super().__init__(unknown="token")

    def fit(self, documents):
        self.characters = [c for c, _ in Counter(self.read(documents)).most_common(20)]


class ReadsDocumentsTwice(Letters):
    def fit(self, documents):
        self.longest = max(len(list(text_pieces(document))) for document in documents)
        super().fit(documents)


class PiecesAreCharacters(Letters):
    def fit(self, documents):
        self.characters = list(dict.fromkeys(part for document in documents for part in document))


class BytesThroughText(Bytes):
    def token_bytes(self, token):
        return super().token_bytes(token).decode("utf-8", "replace").encode()


class BytesUpsideDown(Letters):
    """Each token has one letter of UTF-16."""

    def token_bytes(self, token):
        return self.characters[token].encode("utf-16-le")


class TextForBytes(Letters):
    def token_bytes(self, token):
        return self.characters[token]


class NothingForTheEnd(Bytes):
    def token_bytes(self, token):
        return bytes([token])


class SpacesAreLost(Letters):
    """As where words are decoded one by one, and each begins with a space."""

    def token_bytes(self, token):
        return super().token_bytes(token).lstrip(b" ")


class HoldsHalfCharacters(Bytes):
    """Bytes are given once a character is whole, which makes a token's bytes depend on others."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def token_bytes(self, token):
        return self.decoder.decode(super().token_bytes(token)).encode()


class RemembersTheLast(Letters):
    """A space is written once, however often it is asked for."""

    last = b""

    def token_bytes(self, token):
        data = super().token_bytes(token)
        before, self.last = self.last, data
        return b"" if data == before else data


class EndIsNoId(Letters):
    @property
    def end_of_document(self):
        return len(self.characters)


class EndIsText(Letters):
    end_of_document = "\n"


class EndIsFalse(Letters):
    end_of_document = False


class SavesAnArray(Letters):
    def state_dict(self):
        return {"characters": np.array(self.characters)}


class SavesASet(Letters):
    def state_dict(self):
        return {"characters": set(self.characters)}


class SavesSorted(Letters):
    def state_dict(self):
        return {"characters": "".join(sorted(self.characters))}


class SavesWithoutTheEnd(Letters):
    end_of_document = None

    def fit(self, documents):
        super().fit(documents)
        self.end_of_document = self.id_of("\n")


class LoadsBesides(Letters):
    """What was saved is put beside the vocabulary, which stays empty."""

    def load_state_dict(self, state):
        self.loaded = state["characters"]


class NumbersGoOn(Letters):
    """The numbers of all instances come from one counter."""

    numbers = count()

    def fit(self, documents):
        super().fit(documents)
        self.first = next(self.numbers) % self.size
        self.characters = self.characters[self.first :] + self.characters[: self.first]


class AnyOrder(Letters):
    def fit(self, documents):
        super().fit(documents)
        random.Random().shuffle(self.characters)  # noqa: S311 # no secret is kept


class KeyErrorForOthers(Letters):
    def encode(self, text):
        ids = {character: number for number, character in enumerate(self.characters)}
        return np.array([ids[character] for character in text], dtype=np.int64)


class OthersAreBeyond(Letters):
    def __init__(self) -> None:
        super().__init__(unknown="token")

    @property
    def size(self):
        return len(self.characters)


class OthersAreMinusOne(Letters):
    def encode(self, text):
        return np.array(["".join(self.characters).find(c) for c in text], dtype=np.int64)


class SeedsPython(Letters):
    def fit(self, documents):
        random.seed(0)
        super().fit(documents)
        random.shuffle(self.characters)


class DrawsFromNumpy(Letters):
    def encode(self, text):
        np.random.random()
        return super().encode(text)


class Numerals:
    """For token ids, with no text at all: right, but not for everybody."""

    end_of_document = None

    def __init__(self) -> None:
        self.size = 0

    def fit(self, documents):
        for document in documents:
            if not isinstance(document, Ids):
                raise CorpusError("no text, please")
            self.size = max(self.size, int(document.ids.max()) + 1)

    def encode(self, text):
        ids = np.array([int(word) for word in text.split()], dtype=np.int64)
        if ids.max(initial=-1) >= self.size:
            raise ValueError("there is no such id")
        return ids

    def token_bytes(self, token):
        return f"{token} ".encode()

    def state_dict(self):
        return {"size": self.size}

    def load_state_dict(self, state):
        self.size = state["size"]


class ForgetsItsSize(Numerals):
    def load_state_dict(self, state):
        pass


class LooksBack(Bytes):
    """Looks at all that it has read again at each place."""

    def encode(self, text):
        for end in range(0, len(text), 32):
            set(text[:end])
        return super().encode(text)


class NumbersTheUnknownFirst(Letters):
    """The id that it says is that of the first character."""

    unknown_token = 0


class ReservesBeyond(Letters):
    unknown_token = None

    @property
    def reserved(self):
        return {"mask": self.size}
