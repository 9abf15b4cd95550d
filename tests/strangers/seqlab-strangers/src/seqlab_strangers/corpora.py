"""Corpora around any other corpus of text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

import seqlab

SEQLAB_API = 2
LYRICS = seqlab.component("original_lyrics", max_characters=4000)


class Around:
    """Passes on what the corpus inside has; its fingerprint is of the documents."""

    def __init__(self, inner: seqlab.Corpus) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # `files` and its like, where it has them

    @property
    def splits(self) -> Sequence[str]:
        return self.inner.splits

    def documents(self, split: str) -> Iterator[seqlab.Document]:
        for document in self.inner.documents(split):
            yield list(seqlab.text_pieces(document))

    def fingerprint(self) -> str:
        self.inner.fingerprint()  # says that a text is not available, so that another steps in
        digest = hashlib.sha256()
        for split in self.splits:
            digest.update(f"\0{split}\0".encode())
            for document in self.documents(split):
                digest.update(hashlib.sha256("".join(document).encode()).digest())
        return digest.hexdigest()


class Deduplicated(Around):
    """Another corpus, each of its documents once: where one comes again it is left out.

    Args:
        inner: the corpus.
        ignore_spaces: whether documents that differ in white space alone are the same.
    """

    def __init__(
        self, *, inner: seqlab.CorpusFactory = LYRICS, ignore_spaces: bool = False
    ) -> None:
        super().__init__(inner())
        self.ignore_spaces = ignore_spaces

    def documents(self, split: str) -> Iterator[seqlab.Document]:
        seen = set[bytes]()
        for document in super().documents(split):
            text = "".join(document)
            key = "".join(text.split()) if self.ignore_spaces else text
            digest = hashlib.sha256(key.encode()).digest()
            if digest not in seen:
                seen.add(digest)
                yield document


class Filtered(Around):
    """The documents of another corpus that have a length and match an expression.

    Args:
        inner: the corpus.
        least: characters that a document has at least.
        most: characters that it has at most; null: any number.
        matching: a regular expression that is found in it; empty: any text.
    """

    def __init__(
        self,
        *,
        inner: seqlab.CorpusFactory = LYRICS,
        least: Annotated[int, Field(ge=0)] = 1,
        most: seqlab.Count | None = None,
        matching: str = "",
    ) -> None:
        super().__init__(inner())
        self.least, self.most = least, most
        try:
            self.matching = re.compile(matching)
        except re.error as error:
            raise ValueError(f"matching: {error}") from None

    def documents(self, split: str) -> Iterator[seqlab.Document]:
        for document in super().documents(split):
            text = "".join(document)
            fits = len(text) >= self.least and (self.most is None or len(text) <= self.most)
            if fits and self.matching.search(text):
                yield document

    def fingerprint(self) -> str:
        for split in self.splits:
            if next(iter(self.documents(split)), None) is None:
                raise seqlab.CorpusError(f"no document of split '{split}' passes the filter")
        return super().fingerprint()


class LowerCased(Around):
    """Another corpus in lower case.

    Args:
        inner: the corpus.
    """

    def __init__(self, *, inner: seqlab.CorpusFactory = LYRICS) -> None:
        super().__init__(inner())

    def documents(self, split: str) -> Iterator[seqlab.Document]:
        for document in super().documents(split):
            yield [_lower(piece) for piece in document]


def _lower(piece: str) -> str:
    weight = getattr(piece, "weight", None)
    return piece.lower() if weight is None else seqlab.Weighted(piece.lower(), weight)


@seqlab.hookimpl
def seqlab_register_corpora() -> dict[str, Callable[..., seqlab.Corpus]]:
    return {"deduplicated": Deduplicated, "filtered": Filtered, "lower_cased": LowerCased}
