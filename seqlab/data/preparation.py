"""An experiment's corpus and tokenizer in -> token ids out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from seqlab.contracts import Tokenizer
from seqlab.data import cache
from seqlab.data.progress import Progress, counted, in_the_log
from seqlab.data.splits import TRAIN, Source, open_source
from seqlab.data.tokens import Part, Tokens, encode
from seqlab.errors import CorpusError, PluginError
from seqlab.packing import pack
from seqlab.registry import Bound, Text


@dataclass(frozen=True)
class Prepared:
    """The training split as token ids, and what it was made of."""

    source: Source
    tokenizer: Tokenizer
    tokens: Tokens
    bound: Bound
    progress: Progress

    @property
    def corpus(self) -> Bound:
        """What was really used: the experiment's corpus, or its stand-in."""
        return self.source.bound

    def split(self, name: str) -> Tokens:
        """Encode another split with the same vocabulary.

        Raises:
            CorpusError: there is no such split, or it has what the vocabulary lacks.
        """
        return prepare_split(self.source, name, self.bound, self.tokenizer, self.progress)


def prepare(
    resolved: Text,
    tokenizer: Tokenizer | None = None,
    progress: Progress | None = None,
    fingerprint: str | None = None,
) -> Prepared:
    """Open the corpus, fit the tokenizer to its training split and encode that.

    What was prepared before is taken from the cache.

    Args:
        resolved: the experiment, or as much of it as says what the text is.
        tokenizer: one that has its vocabulary; None: one is made, and fitted.
        progress: is told how far reading has come; None: the log is.
        fingerprint: what that of the corpus must be; None: anything.

    Raises:
        CorpusError: the corpus cannot be had or cannot be used, or is another text.
        RunFailed: the token ids cannot be written.
    """
    told = progress or in_the_log()
    source = open_source(resolved)
    if fingerprint is not None:
        source.check_same(fingerprint)
    bound = resolved.tokenizer
    if tokenizer is None:
        tokenizer = cast("Tokenizer", bound.build())
        with bound.blamed():
            _fit(tokenizer, source, bound, told)
    tokens = prepare_split(source, TRAIN, bound, tokenizer, told)
    return Prepared(source, tokenizer, tokens, bound, told)


def _fit(tokenizer: Tokenizer, source: Source, bound: Bound, progress: Progress) -> None:
    """Give a tokenizer the vocabulary of the training split: the one that is kept, or a new one."""

    def learn() -> Any:
        tokenizer.fit(counted(source.documents(TRAIN), "Learning the vocabulary", progress))
        state = tokenizer.state_dict()
        source.check_unchanged()
        _check_vocabulary(state)
        return state

    key = cache.key_of(corpus=source.identity, tokenizer=bound.identity())
    state, kept = cache.kept_state(key, learn)
    if kept:
        tokenizer.load_state_dict(state)


def _check_vocabulary(state: Any) -> None:
    try:
        pack(state, "", {})
    except TypeError as error:
        raise PluginError(f"the vocabulary cannot be saved ({error})") from None


def prepare_split(
    source: Source,
    split: str,
    bound: Bound,
    tokenizer: Tokenizer,
    progress: Progress | None = None,
) -> Tokens:
    """Encode a split, or open the token ids that are kept of it.

    Raises:
        CorpusError: there is no such split, it is empty, or has what the vocabulary lacks.
        RunFailed: the token ids cannot be written.
    """
    source.check(split)
    told = progress or in_the_log()

    def parts() -> Iterator[Part]:
        documents = source.documents(split)
        with bound.blamed():
            yield from encode(counted(documents, f"Encoding {split}", told), tokenizer)
            source.check_unchanged()

    names = {"corpus": source.bound.component.name, "tokenizer": bound.component.name}
    key = cache.key_of(
        corpus=source.identity,
        split=split,
        tokenizer=bound.identity(),
        vocabulary=_state_hash(tokenizer),
    )
    try:
        return cache.kept_tokens(key, parts, tokenizer.size, names | {"split": split})
    except CorpusError as error:
        raise type(error)(f"split '{split}': {error}") from None


def _state_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 of all that a tokenizer has learnt."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(pack(tokenizer.state_dict(), "", tensors))
    digest = hashlib.sha256(text.encode())
    for tensor in tensors.values():
        digest.update(repr((str(tensor.dtype), tensor.tolist())).encode())
    return digest.hexdigest()


def vocabulary_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 over every token's bytes, in the order of the ids."""
    digest = hashlib.sha256()
    for token in range(tokenizer.size):
        data = tokenizer.token_bytes(token)
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()
