"""An experiment's corpus, its splits, and what the core cuts from them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seqlab.contracts import Corpus, Document
from seqlab.data.cache import Seen, kept_fingerprint, key_of, look_at
from seqlab.data.split_overlap import check_apart
from seqlab.data.text import between, checked_documents, first_characters, length
from seqlab.data.text_blocks import recut
from seqlab.errors import CorpusError, CorpusUnavailable
from seqlab.experiment.sections import CorpusKeys
from seqlab.registry import Bound, Text

log = logging.getLogger(__name__)

TRAIN = "train"


@dataclass(frozen=True)
class Source:
    """A corpus that is really there: the experiment's, or its stand-in."""

    bound: Bound
    corpus: Corpus
    fingerprint: str
    keys: CorpusKeys
    seen: Seen = field(default_factory=dict)  # its files before the fingerprint was taken

    @property
    def splits(self) -> Sequence[str]:
        """Names of the corpus's own splits and of those that `holdout` makes."""
        return (*self.corpus.splits, *self.shares)

    @property
    def identity(self) -> dict[str, Any] | None:
        """JSON values that all of its token ids follow from, with the tokenizer; None: unknown."""
        keys = {"max_characters": self.keys.max_characters, "holdout": self.shares}
        known = self.bound.identity(exclude=self.seen)
        return known and {**known, "fingerprint": self.fingerprint, **keys}

    def documents(self, split: str) -> Iterator[Document]:
        """Stream the documents of a split from the start, anew at each call.

        Raises:
            CorpusError: there is no such split.
        """
        self.check(split)
        return map(recut, self._documents(split))

    def own_documents(self, split: str) -> Iterator[Document]:
        """Stream the documents of a split of the corpus's own, before any share is cut from it."""
        return map(recut, self._limited(split))

    def check(self, split: str) -> None:
        """See to it that there is such a split.

        Raises:
            CorpusError: there is not.
        """
        if split not in self.splits:
            raise CorpusError(
                f"corpus '{self.bound.component.name}' has no split '{split}' (it has"
                f" {', '.join(self.splits)}); corpus.holdout makes valid and test"
            )

    def check_same(self, fingerprint: str) -> None:
        """See to it that this is the text of a run, by the fingerprint that it had there.

        Raises:
            CorpusError: it is another one.
        """
        if self.fingerprint != fingerprint:
            raise CorpusError(
                f"corpus '{self.bound.component.name}' is another text than the run was begun with"
                f" (fingerprint {self.fingerprint[:12]}, it was {fingerprint[:12]})"
            )

    def check_unchanged(self) -> None:
        """See to it that what was read since is what the fingerprint says.

        Raises:
            CorpusError: a file is another by now.
        """
        now = _seen(self.corpus) if self.seen else {}
        for path in sorted({*self.seen, *now}):
            if self.seen.get(path) != now.get(path):
                raise CorpusError(f"{path}: changed while it was read; run again")

    def _documents(self, split: str) -> Iterator[Document]:
        if not self.shares or split not in (TRAIN, *self.shares):
            return self._limited(split)
        start, stop = self._range(split)
        if start < stop == self._length:
            stop += 1  # empty documents at the end lie there
        return between(self._limited(TRAIN), start, stop)

    @property
    def shares(self) -> dict[str, float]:
        """Which splits are cut from the end of the training split, and how large they are."""
        holdout = self.keys.holdout
        if holdout is None:
            return {}
        shares = holdout.items() if isinstance(holdout, dict) else [("valid", holdout)]
        return {str(name): share for name, share in shares}

    def _range(self, split: str) -> tuple[int, int]:
        """Where a split lies in the corpus's training split: train, then valid, then test."""
        total = self._length
        valid, test = (int(total * self.shares.get(name, 0)) for name in ("valid", "test"))
        cuts = (0, total - valid - test, total - test, total)
        place = (TRAIN, "valid", "test").index(split)
        return cuts[place], cuts[place + 1]

    @cached_property
    def _length(self) -> int:
        return length(self._limited(TRAIN))

    def _limited(self, split: str) -> Iterator[Document]:
        with self.bound.blamed():
            name, documents = self.bound.component.name, self.corpus.documents(split)
            if isinstance(documents, str):
                raise TypeError("documents() should yield documents, not be a text itself")
            checked = checked_documents(documents, f"corpus '{name}', split '{split}'")
            yield from first_characters(checked, self.keys.max_characters)


def open_source(resolved: Text, *, fingerprint: bool = True) -> Source:
    """Open the corpus, or its stand-in where it cannot be had.

    Args:
        resolved: the experiment, or as much of it as says what the text is.
        fingerprint: whether it is asked for its fingerprint, for which all of it may be read.

    Raises:
        CorpusError: it cannot be used, or its splits are not as the experiment has them.
    """
    with placed_in(resolved):
        return _opened(resolved, fingerprint)


@contextmanager
def placed_in(resolved: Text) -> Iterator[None]:
    """Say of what a corpus refuses where in the experiment it was asked for."""
    try:
        yield
    except CorpusError as error:
        said = str(resolved.complaint(str(error), "corpus", *named_option(resolved, str(error))))
        kind = CorpusUnavailable if isinstance(error, CorpusUnavailable) else CorpusError
        raise kind(said) from error


def named_option(resolved: Text, said: str) -> list[str]:
    """The option, if any, that names the file of which something is said."""
    named = [
        (len(str(path)), name)
        for name, value in resolved.corpus.options.items()
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path) and str(path) in said
    ]
    return [max(named)[1]] if named else []


def _opened(resolved: Text, fingerprint: bool) -> Source:
    try:
        return _look_at(resolved.corpus, resolved.corpus_keys, fingerprint)
    except CorpusUnavailable as error:
        if resolved.stand_in is None:
            raise
        said = log.warning if fingerprint else log.debug  # nothing is trained on it yet
        said(
            "Training on '%s' instead of '%s', so the numbers do not compare with published ones:"
            " %s",
            resolved.stand_in.component.name,
            resolved.corpus.component.name,
            error,
        )
        return _look_at(resolved.stand_in, resolved.corpus_keys, fingerprint)


def _look_at(bound: Bound, keys: CorpusKeys, fingerprint: bool) -> Source:
    corpus: Corpus = bound.build()
    with bound.blamed():
        check_apart(bound.component.name, corpus)
        seen = _seen(corpus)
        known = _fingerprint(bound, corpus, seen) if fingerprint else ""
        source = Source(bound, corpus, known, keys, seen)
        _check_splits(source)
    return source


def _seen(corpus: Corpus) -> Seen:
    """How the files of a corpus are; nothing, if it names none, or has its own words for them."""
    try:
        return look_at(getattr(corpus, "files", None) or ())
    except (OSError, ValueError):
        return {}


def _fingerprint(bound: Bound, corpus: Corpus, seen: Seen) -> str:
    """Ask the corpus, or remember what it said while its files were the same."""
    if not seen:
        return corpus.fingerprint()
    key = key_of(corpus=bound.identity(exclude=seen))
    return kept_fingerprint(key, seen, corpus.fingerprint)


def _check_splits(source: Source) -> None:
    name = source.bound.component.name
    if TRAIN not in source.corpus.splits:
        raise CorpusError(f"corpus '{name}' has no split '{TRAIN}'")
    for split in set(source.corpus.splits) & set(source.shares):
        raise CorpusError(f"corpus '{name}' has a split '{split}' of its own; leave out holdout")
