"""An experiment's corpus and tokenizer in -> token ids out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqlab.contracts import Tokenizer, offered
from seqlab.data import cache
from seqlab.data.progress import Progress, log_progress, with_progress
from seqlab.data.splits import TRAIN, Source, open_source
from seqlab.data.tokens import Part, Tokens, encode
from seqlab.errors import Complaint, CorpusError, ExperimentError, PluginError
from seqlab.packing import pack
from seqlab.registry import Bound, Text
from seqlab.vocabulary import Vocabulary


@dataclass(frozen=True)
class Prepared:
    """The training split as token ids, and its sources."""

    source: Source
    tokenizer: Tokenizer
    tokens: Tokens
    bound: Bound
    progress: Progress

    @property
    def corpus(self) -> Bound:
        """The corpus that was used: the experiment's, or its stand-in."""
        return self.source.bound

    @property
    def vocabulary(self) -> Vocabulary:
        """What embedding and head are told of the token ids."""
        return Vocabulary.of(self.tokenizer, self._counts)

    def _counts(self) -> NDArray[np.int64]:
        assert self.tokens.counts is not None  # noqa: S101 # the store was written by this version
        return np.array(self.tokens.counts)

    def split(self, name: str) -> Tokens:
        """Encode another split with the same vocabulary; see `prepare_split`."""
        return prepare_split(self.source, name, self.bound, self.tokenizer, self.progress)


def prepare(
    resolved: Text,
    tokenizer: Tokenizer | None = None,
    progress: Progress | None = None,
    fingerprint: str | None = None,
) -> Prepared:
    """Open the corpus, fit the tokenizer to its training split and encode that.

    What was prepared before comes from the cache.

    Args:
        resolved: the experiment, or its part about the text.
        tokenizer: is fitted already; None: a new one is fitted.
        progress: is called while reading; None: progress is logged.
        fingerprint: that the corpus must have; None: any.

    Raises:
        CorpusError: the corpus is unavailable, cannot be used, or is another text.
        RunFailed: the token ids cannot be written.
    """
    progress = progress or log_progress()
    progress("Opening the corpus", 0, None)
    source = open_source(resolved)
    if fingerprint is not None:
        source.check_same(fingerprint)
    bound = resolved.tokenizer
    if tokenizer is None:
        tokenizer = new_tokenizer(bound)
        with bound.attributed():
            _fit(tokenizer, source, bound, progress)
    tokens = prepare_split(source, TRAIN, bound, tokenizer, progress)
    return Prepared(source, tokenizer, tokens, bound, progress)


def new_tokenizer(bound: Bound) -> Tokenizer:
    """Build a tokenizer that is to be fitted, after it has read what it needs for that.

    Raises:
        ExperimentError: it refuses its options, or what they name.
    """
    tokenizer = cast("Tokenizer", bound.build())
    begin = offered(tokenizer, "before_fitting")
    with bound.attributed():
        try:
            if begin is not None:
                begin()
        except ValueError as error:
            raise ExperimentError([Complaint(bound.where, bound.key, str(error))]) from error
    return tokenizer


def _fit(tokenizer: Tokenizer, source: Source, bound: Bound, progress: Progress) -> None:
    """Fit a tokenizer to the training split, or load the vocabulary from the cache."""

    def learn() -> Any:
        tokenizer.fit(with_progress(source.documents(TRAIN), "Learning the vocabulary", progress))
        state = tokenizer.state_dict()
        source.check_unchanged()
        try:
            pack(state, "", {})
        except TypeError as error:
            raise PluginError(f"the vocabulary cannot be saved ({error})") from None
        return state

    key = cache.key_of(corpus=source.identity, tokenizer=bound.identity())
    state, cached = cache.cached_state(key, learn)
    if cached:
        tokenizer.load_state_dict(state)


def prepare_split(
    source: Source, split: str, bound: Bound, tokenizer: Tokenizer, progress: Progress | None = None
) -> Tokens:
    """Encode a split, or open its token ids in the cache.

    Raises:
        CorpusError: there is no such split, it is empty, or a part of it has no id.
        RunFailed: the token ids cannot be written.
    """
    source.check(split)
    report = progress or log_progress()

    def parts() -> Iterator[Part]:
        documents = source.documents(split)
        with bound.attributed():
            reported = with_progress(documents, f"Encoding {split}", report)
            yield from encode(reported, tokenizer)
            source.check_unchanged()

    names = {"corpus": source.bound.component.name, "tokenizer": bound.component.name}
    key = cache.key_of(
        corpus=source.identity,
        split=split,
        tokenizer=bound.identity(),
        vocabulary=_state_hash(tokenizer),
    )
    try:
        return cache.cached_tokens(key, parts, tokenizer.size, names | {"split": split})
    except CorpusError as error:
        raise type(error)(f"split '{split}': {error}") from error


def _state_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 of a tokenizer's state."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(pack(tokenizer.state_dict(), "", tensors))
    digest = hashlib.sha256(text.encode())
    for tensor in tensors.values():
        digest.update(repr((str(tensor.dtype), tensor.tolist())).encode())
    return digest.hexdigest()


def vocabulary_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 of every token's bytes, in the order of the ids."""
    digest = hashlib.sha256()
    for token in range(tokenizer.size):
        data = tokenizer.token_bytes(token)
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()
