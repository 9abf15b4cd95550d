"""An experiment's corpus and tokenizer in -> token ids out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from seqlab.contracts import Corpus, Document, Tokenizer
from seqlab.data.text import first_characters
from seqlab.data.tokens import Tokens, tokenize
from seqlab.errors import CorpusError, CorpusUnavailable
from seqlab.registry import Bound, Resolved

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The training split as token ids, and what it was made of.

    `corpus` is what was really used: the experiment's, or its stand-in.
    """

    corpus: Bound
    fingerprint: str
    tokenizer: Tokenizer
    tokens: Tokens


def prepare(resolved: Resolved) -> Prepared:
    """Open the corpus, fit the tokenizer to its training split and encode that.

    Raises:
        CorpusError: the corpus cannot be had or cannot be used.
    """
    bound, corpus, fingerprint = _open(resolved)
    if "train" not in corpus.splits:
        raise CorpusError(f"corpus '{bound.component.name}' has no split 'train'")

    def documents() -> Iterator[Document]:
        with bound.blamed():
            whole = corpus.documents("train")
            yield from first_characters(whole, resolved.corpus_keys.max_characters)

    tokenizer: Tokenizer = resolved.tokenizer.build()
    with resolved.tokenizer.blamed():
        tokenizer.fit(documents())
        tokens = tokenize(documents(), tokenizer)
    return Prepared(bound, fingerprint, tokenizer, tokens)


def _open(resolved: Resolved) -> tuple[Bound, Corpus, str]:
    bound = resolved.corpus
    try:
        return _look_at(bound)
    except CorpusUnavailable as error:
        if resolved.stand_in is None:
            raise
        reason = error
    log.warning(
        "Training on '%s' instead of '%s', so the numbers do not compare with published ones: %s",
        resolved.stand_in.component.name,
        bound.component.name,
        reason,
    )
    return _look_at(resolved.stand_in)


def _look_at(bound: Bound) -> tuple[Bound, Corpus, str]:
    corpus: Corpus = bound.build()
    with bound.blamed():
        return bound, corpus, corpus.fingerprint()


def vocabulary_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 over every token's bytes, in the order of the ids."""
    digest = hashlib.sha256()
    for token in range(tokenizer.size):
        data = tokenizer.token_bytes(token)
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()
