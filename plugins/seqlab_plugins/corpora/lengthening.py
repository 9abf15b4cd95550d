"""Tasks whose sequences have several lengths: a split for each.

Train them with `tokenizer: ids`, the sampler `random` with `partial: keep`, and a window of one
sequence of `train`; evaluate a split in as many `rows` as it has sequences. Accuracy by length is
that of the splits `length_128`, `length_256`, …, whose sequences are longer than those that a model
was trained on.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Ids
from seqlab_plugins.corpora.synthetic import Chance, Seed, Sequences, TaskSize

Symbols = Annotated[int, Field(gt=0, le=2**20)]
Factors = Annotated[list[Annotated[int, Field(gt=1, le=1024)]], Field(max_length=16)]


@dataclass(kw_only=True, eq=False)
class Lengthening(Sequences):
    """Sequences of one length in `train`, `valid` and `test`, and of multiples in further splits.

    Args:
        symbols: in a sequence of `train`, `valid` and `test`.
        longer: lengths of further splits, `length_128` and so on, as multiples of `symbols`.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in each other split, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
    """

    symbols: Symbols = 64
    longer: Factors = field(default_factory=lambda: [2, 4, 8, 16])
    train: TaskSize = 8192
    valid: TaskSize = 256
    test: TaskSize = 256
    seed: Seed = 0

    def __post_init__(self) -> None:
        lengths = {f"length_{n}": n for n in (factor * self.symbols for factor in self.longer)}
        counts = {"train": self.train, "valid": self.valid, "test": self.test}
        super().__init__(counts | dict.fromkeys(lengths, self.test), self.seed)
        self._lengths = dict.fromkeys(counts, self.symbols) | lengths

    def sequence(self, chance: Chance, split: str) -> Ids:
        return self.drawn(chance, self._lengths[split])

    @abstractmethod
    def drawn(self, chance: Chance, symbols: int) -> Ids:
        """Draw a sequence of a length; its number of tokens depends on the length alone."""


@dataclass(kw_only=True, eq=False)
class Asked(Lengthening):
    """Sequences of symbols with an answer after each."""

    @abstractmethod
    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw symbols and their answers, (symbols,) each."""

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        ids = np.stack(self.asked(chance, symbols), 1).flatten()
        weights = np.tile(np.array([0, 1], dtype=np.float32), symbols)
        return Ids(ids, weights)
