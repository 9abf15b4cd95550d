"""Corpora made of corpora: one after another, and mixed by weights."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from seqlab import Corpus, CorpusFactory, Document, Ids, hookimpl


class Concatenated:
    """The documents of several corpora, one corpus after another.

    Args:
        corpora: Required. The corpora, in order. A split has those of them that have it.
    """

    def __init__(self, *, corpora: Annotated[list[CorpusFactory], Field(min_length=1)]) -> None:
        self._parts = [make() for make in corpora]

    @property
    def splits(self) -> Sequence[str]:
        return list(dict.fromkeys(split for part in self._parts for split in part.splits))

    def documents(self, split: str) -> Iterator[Document]:
        return chain.from_iterable(part.documents(split) for part in self._with(split))

    def fingerprint(self) -> str:
        return _hash([part.fingerprint() for part in self._parts])

    @property
    def files(self) -> list[Path]:
        """All files, if every corpus is one of files."""
        named = [getattr(part, "files", None) for part in self._parts]
        return list(dict.fromkeys(chain.from_iterable(named))) if all(named) else []  # type: ignore[arg-type] # all have some

    def split_files(self) -> dict[str, list[Path]]:
        """The files of each split, as far as they are known."""
        files: dict[str, list[Path]] = {}
        for part in self._parts:
            known: dict[str, Any] = getattr(part, "split_files", dict)()
            for split, paths in known.items():
                files.setdefault(split, []).extend(paths)
        return files

    @property
    def held_out(self) -> list[Path]:
        return [path for part in self._parts for path in getattr(part, "held_out", ())]

    def _with(self, split: str) -> list[Corpus]:
        return [part for part in self._parts if split in part.splits]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A corpus and how often its documents are drawn.

    Args:
        corpus: the corpus.
        weight: its chance of being the next, against those of the others.
    """

    corpus: CorpusFactory
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class Mixture(Concatenated):
    """Documents drawn at random from several corpora; other splits than `train` are not mixed.

    Each corpus is read in its own order, and the same seed draws the same documents anywhere.
    """

    def __init__(
        self,
        *,
        shares: Annotated[list[Share], Field(min_length=1)],
        seed: Annotated[int, Field(ge=0, lt=2**63)] = 0,
        until: Literal["first_ends", "all_end"] = "first_ends",
    ) -> None:
        """Make the corpora.

        Args:
            shares: Required. The corpora with their weights.
            seed: of the draws.
            until: stop where a document is drawn from a corpus that has no more; or begin that
                corpus again, until each was read to its end.
        """
        super().__init__(corpora=[share.corpus for share in shares])
        self._weights = [share.weight for share in shares]
        self._seed, self._until = seed, until

    def documents(self, split: str) -> Iterator[Document]:
        if split != "train":
            return super().documents(split)
        return (document for _, document in self._drawn())

    def fingerprint(self) -> str:
        """Of the corpora and of what is drawn from which, so that all of them are read."""
        draws = hashlib.sha256()
        for drawn, document in self._drawn():
            draws.update(drawn.to_bytes(4))
            if not isinstance(document, str | Ids):
                deque(document, maxlen=0)  # it has to be read before the next one
        return _hash([super().fingerprint(), draws.hexdigest()])

    def _drawn(self) -> Iterator[tuple[int, Document]]:
        """Which corpus each document is drawn from, and the document."""
        generator = np.random.Generator(np.random.PCG64(self._seed))
        edges = np.cumsum(self._weights) / sum(self._weights)
        readers = [part.documents("train") for part in self._parts]
        ended = [False] * len(readers)
        while True:
            drawn = min(int(edges.searchsorted(generator.random(), "right")), len(readers) - 1)
            document = next(readers[drawn], None)
            if document is None:
                ended[drawn] = True
                if self._until == "first_ends" or all(ended):
                    return
                readers[drawn] = self._parts[drawn].documents("train")
                document = next(readers[drawn], None)
                if document is None:  # it has no document at all
                    continue
            yield drawn, document


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"concatenated": Concatenated, "mixture": Mixture}
