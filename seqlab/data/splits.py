"""An experiment's corpus and its splits, with those that `holdout` cuts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seqlab.contracts import Corpus, Document, offered
from seqlab.data.cache import FileStates, cached_fingerprint, file_states, key_of
from seqlab.data.split_overlap import check_overlap
from seqlab.documents import between, checked_documents, first_characters, in_blocks, length
from seqlab.errors import CorpusError, CorpusUnavailable
from seqlab.experiment.sections import CorpusKeys
from seqlab.registry import Bound, Text
from seqlab.registry.option_values import suggest_close
from seqlab.urls import is_url, mentions_url

log = logging.getLogger(__name__)

TRAIN = "train"


@dataclass(frozen=True)
class Source:
    """A corpus that is available: the experiment's, or its stand-in."""

    bound: Bound
    corpus: Corpus
    fingerprint: str
    keys: CorpusKeys
    files: FileStates = field(default_factory=dict)  # before the fingerprint was taken

    @property
    def splits(self) -> Sequence[str]:
        """The corpus's own splits and those that `holdout` makes."""
        return (*self.corpus.splits, *self.shares)

    @property
    def identity(self) -> dict[str, Any] | None:
        """JSON values that its text follows from; None: unknown."""
        keys = {"max_characters": self.keys.max_characters, "holdout": self.shares}
        known = self.bound.identity(exclude=self.files)
        return known and {**known, "fingerprint": self.fingerprint, **keys}

    def documents(self, split: str) -> Iterator[Document]:
        """Stream the documents of a split from the start; raises CorpusError if there is none."""
        self.check(split)
        return map(in_blocks, self._documents(split))

    def own_documents(self, split: str) -> Iterator[Document]:
        """Stream the documents of one of the corpus's own splits, before `holdout`."""
        return map(in_blocks, self._limited(split))

    def check(self, split: str) -> None:
        """Raise CorpusError if there is no such split."""
        if split not in self.splits:
            helps = suggest_close(split, self.splits) or "; corpus.holdout makes valid and test"
            raise CorpusError(
                f"{self.bound.component.label} has no split '{split}' (it has"
                f" {', '.join(self.splits)}){helps}"
            )

    def check_same(self, fingerprint: str) -> None:
        """Raise CorpusError if this is another text than that of a run, by its fingerprint."""
        if self.fingerprint != fingerprint:
            raise CorpusError(
                f"{self.bound.component.label} is another text than the run was begun with"
                f" (its fingerprint is {self.fingerprint[:12]} and was {fingerprint[:12]})"
            )

    def check_unchanged(self) -> None:
        """Raise CorpusError if a file changed since the fingerprint was taken."""
        now = _files(self.corpus) if self.files else {}
        for path in sorted({*self.files, *now}):
            if self.files.get(path) != now.get(path):
                raise CorpusError(f"{path}: changed while it was read; run again")

    def _documents(self, split: str) -> Iterator[Document]:
        if not self.shares or split not in (TRAIN, *self.shares):
            return self._limited(split)
        start, stop = self._range(split)
        if start < stop == self._length:
            stop += 1  # the position of empty documents at the end
        return between(self._limited(TRAIN), start, stop)

    @property
    def shares(self) -> dict[str, float]:
        """The splits that are cut from the end of the training split, with their shares."""
        holdout = self.keys.holdout
        if holdout is None:
            return {}
        shares: dict[Any, float] = holdout if isinstance(holdout, dict) else {"valid": holdout}
        return shares

    def _range(self, split: str) -> tuple[int, int]:
        """Start and stop in the corpus's training split, which has train, then valid, then test."""
        total = self._length
        valid, test = (int(total * self.shares.get(name, 0)) for name in ("valid", "test"))
        cuts = (0, total - valid - test, total - test, total)
        index = (TRAIN, "valid", "test").index(split)
        return cuts[index], cuts[index + 1]

    @cached_property
    def _length(self) -> int:
        return length(self._limited(TRAIN))

    def _limited(self, split: str) -> Iterator[Document]:
        with self.bound.attributed():
            documents = self.corpus.documents(split)
            if isinstance(documents, str):
                raise TypeError("documents() should yield documents; it returned one text")
            where = f"{self.bound.component.label}, split '{split}'"
            checked = checked_documents(documents, where)
            yield from first_characters(checked, self.keys.max_characters)


def open_source(resolved: Text, *, fingerprint: bool = True) -> Source:
    """Open the corpus, or its stand-in if it is unavailable.

    The fingerprint is taken on request, as that may read all of the corpus.

    Raises:
        CorpusError: it cannot be used, or lacks splits of the experiment.
    """
    with locating_errors(resolved):
        return _open(resolved, fingerprint)


@contextmanager
def locating_errors(resolved: Text) -> Iterator[None]:
    """Add to a CorpusError where in the experiment the corpus, or the option at fault, is."""
    try:
        yield
    except CorpusError as error:
        path = ("corpus", *option_at_fault(resolved, str(error)))
        kind = CorpusUnavailable if isinstance(error, CorpusUnavailable) else CorpusError
        raise kind(str(resolved.complaint(str(error), *path))) from error


def option_at_fault(resolved: Text, message: str) -> list[str]:
    """The option, if any, that names the file of a message."""
    named = [
        (len(str(path)), name)
        for name, value in resolved.corpus.options.items()
        for path in (value if isinstance(value, list) else [value])
        if (isinstance(path, Path) or is_url(str(path))) and str(path) in message
    ]
    return [max(named)[1]] if named else []


def names_missing_file(resolved: Text, message: str) -> bool:
    """Whether a message is about a file of an option that should be on this machine."""
    return bool(option_at_fault(resolved, message)) and not mentions_url(message)


def _open(resolved: Text, fingerprint: bool) -> Source:
    try:
        return _open_bound(resolved.corpus, resolved.corpus_keys, fingerprint)
    except CorpusUnavailable as error:
        if resolved.stand_in is None:
            raise
        level = logging.WARNING if fingerprint else logging.DEBUG  # DEBUG: not yet trained on
        log.log(
            level,
            "Training on '%s' instead of '%s', so the numbers do not compare with published ones:"
            " %s",
            resolved.stand_in.component.name,
            resolved.corpus.component.name,
            error,
        )
        return _open_bound(resolved.stand_in, resolved.corpus_keys, fingerprint)


def _open_bound(bound: Bound, keys: CorpusKeys, fingerprint: bool) -> Source:
    corpus: Corpus = bound()
    with bound.attributed():
        check_overlap(bound.component.name, corpus)
        files = _files(corpus)
        text = _fingerprint(bound, corpus, files) if fingerprint else ""
        source = Source(bound, corpus, text, keys, files)
        _check_splits(source)
    return source


def _files(corpus: Corpus) -> FileStates:
    """The states of a corpus's files; empty if it names none, or one cannot be read."""
    try:
        return file_states(offered(corpus, "files") or ())
    except (OSError, ValueError):
        return {}


def _fingerprint(bound: Bound, corpus: Corpus, files: FileStates) -> str:
    """The fingerprint, from the cache while the files are unchanged."""
    if not files:
        return corpus.fingerprint()
    key = key_of(corpus=bound.identity(exclude=files))
    return cached_fingerprint(key, files, corpus.fingerprint)


def _check_splits(source: Source) -> None:
    corpus = source.bound.component.label
    if TRAIN not in source.corpus.splits:
        raise CorpusError(f"{corpus} has no split '{TRAIN}'")
    for split in set(source.corpus.splits) & set(source.shares):
        raise CorpusError(f"{corpus} has a split '{split}' of its own; leave out holdout")
