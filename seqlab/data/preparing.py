"""An experiment's corpus and tokenizer in -> token ids out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.contracts import Tokenizer
from seqlab.data.source import TRAIN, Source, open_source
from seqlab.data.tokens import Tokens, tokenize
from seqlab.errors import CorpusError
from seqlab.registry import Bound, Resolved


@dataclass(frozen=True)
class Prepared:
    """The training split as token ids, and what it was made of."""

    source: Source
    tokenizer: Tokenizer
    tokens: Tokens

    @property
    def corpus(self) -> Bound:
        """What was really used: the experiment's corpus, or its stand-in."""
        return self.source.bound

    def split(self, name: str) -> Tokens:
        """Encode another split with the same vocabulary.

        Raises:
            CorpusError: there is no such split, or it has what the vocabulary lacks.
        """
        return tokenize_split(self.source, name, self.tokenizer)


def prepare(resolved: Resolved, vocabulary: Mapping[str, Any] | None = None) -> Prepared:
    """Open the corpus, fit the tokenizer to its training split and encode that.

    Args:
        resolved: the experiment.
        vocabulary: the state of a tokenizer to take instead of fitting one.

    Raises:
        CorpusError: the corpus cannot be had or cannot be used.
    """
    source = open_source(resolved)
    tokenizer: Tokenizer = resolved.tokenizer.build()
    with resolved.tokenizer.blamed():
        if vocabulary is None:
            tokenizer.fit(source.documents(TRAIN))
        else:
            tokenizer.load_state_dict(vocabulary)
        return Prepared(source, tokenizer, tokenize_split(source, TRAIN, tokenizer))


def tokenize_split(source: Source, split: str, tokenizer: Tokenizer) -> Tokens:
    """Encode a split.

    Raises:
        CorpusError: there is no such split, it is empty, or has what the vocabulary lacks.
    """
    documents = source.documents(split)
    try:
        return tokenize(documents, tokenizer)
    except CorpusError as error:
        raise CorpusError(f"split '{split}': {error}") from None


def vocabulary_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 over every token's bytes, in the order of the ids."""
    digest = hashlib.sha256()
    for token in range(tokenizer.size):
        data = tokenizer.token_bytes(token)
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()
