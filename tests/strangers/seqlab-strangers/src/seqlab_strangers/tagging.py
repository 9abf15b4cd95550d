"""Sequence labelling: a corpus that writes a tag behind each letter, and an objective for tags."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import seqlab

SEQLAB_API = 2
VOWELS = "aeiouyAEIOUY"
TAGS = "①②③"  # a vowel, another letter, anything else


class Tagged:
    """The letters of another corpus, each with a tag behind it: ① vowel, ② other letter, ③ rest.

    Args:
        inner: the corpus.
    """

    def __init__(
        self,
        *,
        inner: seqlab.CorpusFactory = seqlab.component("original_lyrics", max_characters=1500),  # noqa: B008 # nobody changes it
    ) -> None:
        self.inner = inner()

    @property
    def splits(self) -> Sequence[str]:
        return self.inner.splits

    def documents(self, split: str) -> Iterator[Iterable[str]]:
        for document in self.inner.documents(split):
            pieces = list(seqlab.text_pieces(document))
            yield ["".join(letter + _tag(letter) for letter in piece) for piece in pieces]

    def fingerprint(self) -> str:
        return hashlib.sha256(f"tagged {self.inner.fingerprint()}".encode()).hexdigest()


def _tag(letter: str) -> str:
    if letter in VOWELS:
        return TAGS[0]
    return TAGS[1] if letter.isalpha() else TAGS[2]


class Tagging:
    """The tag behind each token, of inputs without the tags; cells may read ahead.

    Args:
        tags: the characters that are tags; the default are those of the corpus `tagged`.
    """

    predicts_next = False
    parts = ("wrong_tags",)

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        tags: Annotated[str, Field(min_length=2)] = TAGS,
    ) -> None:
        wanted = {tag.encode() for tag in tags}
        is_tag = [vocabulary.token_bytes(token) in wanted for token in range(vocabulary.size)]
        if sum(is_tag) < 2:
            raise ValueError(f"the text has {sum(is_tag)} of the tags {tags}: two at least")
        self.is_tag = torch.tensor(is_tag)  # (V,)

    def prepare(self, batch: seqlab.Batch, uniform: Tensor) -> seqlab.Batch:
        """Weight tags alone, and put the token before a tag in its place."""
        table = self.is_tag.to(batch.inputs.device)
        tagged = table[batch.inputs[:, 1:]]
        rest = torch.where(tagged, batch.inputs[:, :-1], batch.inputs[:, 1:])
        inputs = torch.cat((batch.inputs[:, :1], rest), 1)
        weights = table[batch.targets].float()
        if batch.weights is not None:
            weights = weights * batch.weights
        return batch._replace(inputs=inputs, weights=weights)

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        is_tag = self.is_tag.to(hidden.device)
        logits = head(hidden).float()  # (B, T, V)
        among = logits.masked_fill(~is_tag, -torch.inf).log_softmax(-1)
        targets = window.targets.unsqueeze(-1)
        nats = -among.gather(-1, targets).squeeze(-1)
        nats = nats.masked_fill(~is_tag[window.targets], 0.0)
        right = among.argmax(-1) == window.targets
        wrong = (window.shares * ~right).sum()
        return seqlab.Terms((window.shares * nats).sum(), None, (wrong,), right)


@seqlab.hookimpl
def seqlab_register_corpora() -> dict[str, Callable[..., seqlab.Corpus]]:
    return {"tagged": Tagged}


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, Callable[..., seqlab.Objective]]:
    return {"tagging": Tagging}
