"""A language model of a cell as an experiment would build it, without the experiment."""

from __future__ import annotations

from functools import partial
from typing import Any

from seqlab_plugins.embeddings import Learned, OneHot
from seqlab_plugins.heads import Linear
from seqlab_plugins.objectives.next_token import NextToken

from seqlab.experiment.sections import Model
from seqlab.model.language_model import LanguageModel


def language_model(
    vocabulary: int, cell: Any, *, embedding: Any = "one_hot", **settings: Any
) -> LanguageModel:
    """Return a model; `embedding` is one_hot, a size, or a factory."""
    if isinstance(embedding, int):
        embedding = partial(Learned, size=embedding)
    factory = OneHot if embedding == "one_hot" else embedding
    head = settings.pop("head", Linear)
    model = Model(**settings)
    return LanguageModel(
        vocabulary, model, embedding=factory, cell=cell, head=head, objective=objective
    )


def objective(**_: Any) -> NextToken:
    """Return the default one; it asks for nothing that is offered."""
    return NextToken()
