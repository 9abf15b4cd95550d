"""A corpus as a part of another one, with the keys that seqlab reads for every corpus."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seqlab.contracts import Corpus, Document
from seqlab.documents import first_characters
from seqlab.errors import CorpusUnavailable

log = logging.getLogger(__name__)


def part_corpus(make: Callable[[], Corpus], keys: Mapping[str, Any]) -> Corpus:
    """Make a corpus, or the one that takes its place, and use no more than some characters of it.

    Args:
        make: makes the corpus.
        keys: may have `max_characters` and `if_unavailable`, which makes another corpus.
    """
    stand_in, limit = keys.get("if_unavailable"), keys.get("max_characters")
    corpus = make() if stand_in is None else _WithStandIn(make, stand_in)
    return corpus if limit is None else _Limited(corpus, limit)


class _Around:
    """Another corpus in all that a subclass does not change."""

    _corpus: Corpus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._corpus, name)

    @property
    def splits(self) -> Sequence[str]:
        return self._corpus.splits

    def documents(self, split: str) -> Iterator[Document]:
        return self._corpus.documents(split)


class _Limited(_Around):
    """The first characters of each split of a corpus."""

    def __init__(self, corpus: Corpus, limit: int) -> None:
        self._corpus, self._limit = corpus, limit

    def documents(self, split: str) -> Iterator[Document]:
        return first_characters(super().documents(split), self._limit)

    def fingerprint(self) -> str:
        whole = f"{self._corpus.fingerprint()} {self._limit}"
        return hashlib.sha256(whole.encode()).hexdigest()


class _WithStandIn(_Around):
    """A corpus, or another one if it turns out to be unavailable."""

    def __init__(self, make: Callable[[], Corpus], stand_in: Callable[[], Corpus]) -> None:
        self._stand_in: Callable[[], Corpus] | None = stand_in
        try:
            self._corpus = make()
        except CorpusUnavailable as error:
            self._replace(error)

    def fingerprint(self) -> str:
        try:
            return self._corpus.fingerprint()
        except CorpusUnavailable as error:
            self._replace(error)
            return self._corpus.fingerprint()

    def _replace(self, error: CorpusUnavailable) -> None:
        if self._stand_in is None:
            raise error
        log.warning("A part of the corpus is replaced by the one of `if_unavailable`: %s", error)
        self._corpus, self._stand_in = self._stand_in(), None
