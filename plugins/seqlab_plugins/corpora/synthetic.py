"""Random tasks of token ids, which test what a cell can remember.

Train them with `tokenizer: ids`, the sampler `random` with `partial: keep` and a window of one
sequence, and evaluate in as many `rows` as the split has sequences. Every row is then one whole
sequence with a fresh state. Its last target is the first token of the next sequence, which has
weight 0.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
from numpy.random import Philox, SeedSequence
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, Ids, hookimpl

TaskSize = Annotated[int, Field(gt=0, le=2**32)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Sequences(ABC):
    """A number of sequences for each split, each a function of seed, split and index."""

    def __init__(self, counts: Mapping[str, int], seed: int) -> None:
        self._counts, self._seed = counts, seed

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._counts)

    @abstractmethod
    def sequence(self, chance: Chance, split: str) -> Ids:
        """Draw a sequence: ids and weights; all sequences of a split have the same length."""

    def documents(self, split: str) -> Iterator[Ids]:
        stream = self.splits.index(split)
        for number in range(self._counts[split]):
            yield self.sequence(Chance(self._seed, stream, number), split)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for split in self.splits:
            for ids, weights in self.documents(split):
                assert weights is not None  # noqa: S101 # every task sets weights
                digest.update(ids.astype("<i8").tobytes() + weights.astype("<f4").tobytes())
            digest.update(b"|")
        return digest.hexdigest()


class Chance:
    """The random numbers of one sequence, from bits that are the same in every version of numpy."""

    def __init__(self, seed: int, stream: int, number: int) -> None:
        self._bits = Philox(SeedSequence(seed, spawn_key=(stream, number)))

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """Random numbers (count,) in (0, 1)."""
        bits = np.asarray(self._bits.random_raw(count))
        return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def symbols(self, size: int, count: int) -> NDArray[np.int64]:
        """Random integers (count,) from 0 to size - 1."""
        return (self.uniforms(count) * size).astype(np.int64)

    def distinct(self, shares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        """Draw `count` indices without replacement, with probabilities in proportion to `shares`.

        The method is that of Efraimidis and Spirakis, 2006: the first of exponential arrivals.
        """
        arrivals = -np.log(self.uniforms(len(shares))) / shares
        return np.argsort(arrivals, kind="stable")[:count]


def told(read: NDArray[np.int64], question: int, answer: NDArray[np.int64]) -> Ids:
    """What is read, a question, and an answer, which alone counts."""
    ids = np.concatenate([read, [question], answer])
    weights = np.zeros(len(ids), dtype=np.float32)
    weights[len(read) + 1 :] = 1
    return Ids(ids, weights)


class Copy(Sequences):
    """A string of random symbols, a separator, and the string again; only the copy counts.

    A sequence has 2 symbols + 1 tokens: ids below `alphabet` are symbols, `alphabet` separates.
    Guessing is right for 1 / alphabet of the targets.

    Args:
        symbols: length of the string.
        alphabet: the number of different symbols.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in the split `test`, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        symbols: TaskSize = 8,
        alphabet: TaskSize = 16,
        train: TaskSize = 4096,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__({"train": train, "valid": valid, "test": test}, seed)
        self._symbols = symbols
        self._alphabet = alphabet

    def sequence(self, chance: Chance, split: str) -> Ids:
        string = chance.symbols(self._alphabet, self._symbols)
        return told(string, self._alphabet, string)


class AssociativeRecall(Sequences):
    """Multi-query associative recall: Arora et al., 2023, "Zoology", arXiv:2312.04927.

    Pairs of a key and its value, all different; then each key once more, in slots of two tokens
    that are drawn by the paper's power law: most keys return soon, some late. Only the value after
    each of these counts. Ids: the keys from 0, then the values, then one filler, which also
    follows the pairs.

    The paper fills with random tokens and hides the answers, as its targets are not its inputs
    shifted by one. Here a model that remembers the values but no pairs, and leaves out those that
    were answered, is right for (1 + 1/2 + … + 1/pairs) / pairs of the targets: 0.52 for 4, 0.34
    for 8, 0.21 for 16 pairs.

    Args:
        pairs: pairs of key and value, and queries, in a sequence.
        keys: the number of different keys, at least `pairs`.
        values: the number of different values, at least `pairs`.
        length: tokens in a sequence, at least 4 pairs + 1.
        power: the probability of slot g = 1, 2, … is proportional to g ** (power - 1); 1: all are
            equally probable.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in the split `test`, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
        mixed: fewer pairs than `pairs`: a sequence of `train` has one of these numbers or `pairs`,
            each as often; of n pairs it has several such tasks in 4 n + 4 tokens each, then filler.
            Further splits `pairs_4`, … have one task in a sequence.
    """

    later_options = ("mixed",)

    def __init__(
        self,
        *,
        pairs: TaskSize = 4,
        keys: TaskSize = 32,
        values: TaskSize = 32,
        length: TaskSize = 32,
        power: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01,
        train: TaskSize = 4096,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
        mixed: Annotated[list[TaskSize], Field(max_length=16)] = [],  # noqa: B006 # only read
    ) -> None:
        further = {f"pairs_{count}": count for count in mixed}
        counts = {"train": train, "valid": valid, "test": test} | dict.fromkeys(further, test)
        super().__init__(counts, seed)
        if any(count >= pairs for count in mixed) or len(further) < len(mixed):
            raise ValueError(f"`mixed` should be different numbers below {pairs}, that of `pairs`")
        if pairs > min(keys, values):
            raise ValueError(f"{pairs} pairs need as many keys and as many values")
        if length < 4 * pairs + 1:
            raise ValueError(f"{pairs} pairs need a length of at least {4 * pairs + 1}")
        self._keys, self._values, self._length, self._power = keys, values, length, power
        self._spans = {count: 4 * count + 4 for count in mixed} | {pairs: length}
        self._pairs = {split: further.get(split, pairs) for split in counts}

    def sequence(self, chance: Chance, split: str) -> Ids:
        if split != "train" or len(self._spans) == 1:
            return self._task(chance, self._pairs[split])
        pairs = [*self._spans][chance.symbols(len(self._spans), 1)[0]]
        span = self._spans[pairs]
        tasks = [self._task(chance, pairs) for _ in range(self._length // span)]
        ids = np.full(self._length, self._keys + self._values)
        weights = np.zeros(self._length, dtype=np.float32)
        for number, task in enumerate(tasks):
            place = slice(number * span, (number + 1) * span)
            ids[place], weights[place] = task.ids, task.weights
        return Ids(ids, weights)

    def _task(self, chance: Chance, pairs: int) -> Ids:
        length = self._spans[pairs]
        slots = (length - 2 * pairs - 1) // 2
        shares = np.arange(1, slots + 1, dtype=np.float64) ** (self._power - 1)
        keys = chance.distinct(np.ones(self._keys), pairs)
        values = chance.distinct(np.ones(self._values), pairs) + self._keys
        queries = 2 * chance.distinct(shares, pairs) + 2 * pairs + 1
        ids = np.full(length, self._keys + self._values)
        ids[0 : 2 * pairs : 2] = ids[queries] = keys
        ids[1 : 2 * pairs : 2] = ids[queries + 1] = values
        weights = np.zeros(length, dtype=np.float32)
        weights[queries + 1] = 1
        return Ids(ids, weights)


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"copy": Copy, "associative_recall": AssociativeRecall}
