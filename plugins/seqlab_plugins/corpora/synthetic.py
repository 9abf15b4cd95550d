"""Tasks made of chance, as token ids: what a cell can remember, and of what.

Train them with `tokenizer: ids`, the sampler `random` with `partial: keep` and a window of one
sequence, and evaluate in as many `rows` as the split has sequences. Every row is then one whole
sequence with a fresh state. Its last target would be the first token of the next sequence; the
first token of each has weight 0, so that nobody is asked for it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.random import Philox, SeedSequence
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, Ids, hookimpl

Count = Annotated[int, Field(gt=0, le=2**32)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class _Sequences(ABC):
    """So many sequences a split, each a pure function of seed, split and number."""

    splits = ("train", "valid", "test")

    def __init__(self, train: int, valid: int, test: int, seed: int) -> None:
        self._counts = dict(zip(self.splits, (train, valid, test), strict=True))
        self._seed = seed

    @abstractmethod
    def sequence(self, chance: Chance) -> Ids:
        """Draw one sequence: ids and weights, of one length for all."""

    def documents(self, split: str) -> Iterator[Ids]:
        stream = self.splits.index(split)
        for number in range(self._counts[split]):
            yield self.sequence(Chance(self._seed, stream, number))

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for split in self.splits:
            for ids, weights in self.documents(split):
                assert weights is not None  # noqa: S101 # the tasks say what counts
                digest.update(ids.astype("<i8").tobytes() + weights.astype("<f4").tobytes())
            digest.update(b"|")
        return digest.hexdigest()


class Chance:
    """The random numbers of one sequence: numpy promises the bits, so they are all that is used."""

    def __init__(self, seed: int, stream: int, number: int) -> None:
        self._bits = Philox(SeedSequence(seed, spawn_key=(stream, number)))

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """Return (count,), in (0, 1)."""
        bits = np.asarray(self._bits.random_raw(count))
        return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def symbols(self, size: int, count: int) -> NDArray[np.int64]:
        """Return (count,) of 0 … size - 1."""
        return (self.uniforms(count) * size).astype(np.int64)

    def distinct(self, shares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        """Draw `count` places one after another, in proportion to their shares, none twice.

        By the race of exponential clocks: Efraimidis and Spirakis, 2006.
        """
        arrivals = -np.log(self.uniforms(len(shares))) / shares
        return np.argsort(arrivals, kind="stable")[:count]


class Copy(_Sequences):
    """A string of random symbols, a separator, and the string again; the second one counts.

    With 2 symbols + 1 tokens a sequence: ids 0 … alphabet - 1 are symbols, `alphabet` separates.
    Chance guesses 1 / alphabet of the targets.

    Args:
        symbols: length of the string.
        alphabet: how many different symbols there are.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn apart from `train`.
        test: sequences in the split `test`, drawn apart from both.
        seed: number that the sequences are drawn from, whatever the run's seed is.
    """

    def __init__(
        self,
        *,
        symbols: Count = 8,
        alphabet: Count = 16,
        train: Count = 4096,
        valid: Count = 256,
        test: Count = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(train, valid, test, seed)
        self._symbols = symbols
        self._alphabet = alphabet

    def sequence(self, chance: Chance) -> Ids:
        string = chance.symbols(self._alphabet, self._symbols)
        ids = np.concatenate([string, [self._alphabet], string])
        weights = np.zeros(len(ids), dtype=np.float32)
        weights[self._symbols + 1 :] = 1
        return Ids(ids, weights)


class AssociativeRecall(_Sequences):
    """Multi-query associative recall: Arora et al., 2023, "Zoology", arXiv:2312.04927.

    Pairs of a key and its value, all different; then each key once more, in two-token places drawn
    by the paper's power law: most keys come back soon, some late. The answer that follows each is
    what counts. Ids: keys from 0, then values, then the one id that fills all other tokens, of
    which the first comes right after the pairs.

    The paper fills with random tokens, and shows no answers: its targets are not its inputs shifted
    by one. Here a model that knows no pairs, but which values there are and which were answered,
    guesses right in (1 + 1/2 + … + 1/pairs) / pairs of the targets: 0.52 of 4, 0.34 of 8, 0.21 of
    16 pairs.

    Args:
        pairs: pairs of key and value, and queries, in a sequence.
        keys: how many different keys there are, at least `pairs`.
        values: how many different values there are, at least `pairs`.
        length: tokens in a sequence, at least 4 pairs + 1.
        power: the probability of the place g = 1, 2, … is in proportion to g ** (power - 1); 1: all
            places are alike.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn apart from `train`.
        test: sequences in the split `test`, drawn apart from both.
        seed: number that the sequences are drawn from, whatever the run's seed is.
    """

    def __init__(
        self,
        *,
        pairs: Count = 4,
        keys: Count = 32,
        values: Count = 32,
        length: Count = 32,
        power: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01,
        train: Count = 4096,
        valid: Count = 256,
        test: Count = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(train, valid, test, seed)
        if pairs > min(keys, values):
            raise ValueError(f"{pairs} pairs need as many keys and as many values")
        if length < 4 * pairs + 1:
            raise ValueError(f"{pairs} pairs need a length of at least {4 * pairs + 1}")
        self._pairs, self._keys, self._values, self._length = pairs, keys, values, length
        places = (length - 2 * pairs - 1) // 2
        self._shares = np.arange(1, places + 1, dtype=np.float64) ** (power - 1)

    def sequence(self, chance: Chance) -> Ids:
        keys = chance.distinct(np.ones(self._keys), self._pairs)
        values = chance.distinct(np.ones(self._values), self._pairs) + self._keys
        queries = 2 * chance.distinct(self._shares, self._pairs) + 2 * self._pairs + 1
        ids = np.full(self._length, self._keys + self._values)
        ids[0 : 2 * self._pairs : 2] = ids[queries] = keys
        ids[1 : 2 * self._pairs : 2] = ids[queries + 1] = values
        weights = np.zeros(self._length, dtype=np.float32)
        weights[queries + 1] = 1
        return Ids(ids, weights)


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"copy": Copy, "associative_recall": AssociativeRecall}
