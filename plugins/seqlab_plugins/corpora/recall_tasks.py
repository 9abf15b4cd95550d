"""Tasks of recall: what was read must be told later, however much came in between."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, Ids, hookimpl
from seqlab_plugins.corpora.lengthening import Asked, Factors, Lengthening, Symbols
from seqlab_plugins.corpora.synthetic import Chance, Seed, TaskSize

Alphabet = Annotated[int, Field(gt=1, le=2**20)]
Few = Annotated[int, Field(gt=0, le=2**16)]
DICTIONARY = 2**16
"""The stream of the random numbers that a dictionary is made of; those of splits are below."""


class SelectiveCopying(Lengthening):
    """Symbols among noise, at random places; then all of them in order, as in Mamba.

    Gu and Dao, 2023, arXiv:2312.00752, section 4.1.1. A cell has to read what is a symbol, and to
    pass over what is not. Train with `objective: hidden_answers`, which puts the separator in the
    place of each answer that would be read. Ids: symbols, then noise, then the separator.

    Args:
        copied: symbols in a sequence, whatever its length.
        alphabet: the number of different symbols.
        symbols: symbols and noise in a sequence of `train`, `valid` and `test`.
        longer: lengths of further splits `length_128`, …, as multiples of `symbols`.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in each other split, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        copied: Few = 8,
        alphabet: Alphabet = 8,
        symbols: Symbols = 64,
        longer: Factors = [2, 4, 8, 16],  # noqa: B006 # read, and never changed
        train: TaskSize = 8192,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(symbols, longer, train, valid, test, seed)
        if copied > symbols:
            raise ValueError(f"{copied} copied symbols have no room among {symbols}")
        self._copied, self._alphabet = copied, alphabet

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        read = np.full(symbols, self._alphabet)
        string = chance.symbols(self._alphabet, self._copied)
        read[np.sort(chance.distinct(np.ones(symbols), self._copied))] = string
        return _told(read, self._alphabet + 1, string)


class InductionHeads(Lengthening):
    """Random symbols, among them a special one; it comes once more at the end: what came after it?

    Gu and Dao, 2023, arXiv:2312.00752, section 4.1.2. One symbol of a sequence counts. Ids: the
    symbols, then the special one. A sequence has two tokens more than `symbols`.

    Args:
        alphabet: the number of different symbols.
        symbols: in a sequence of `train`, `valid` and `test`, the special one included.
        longer: lengths of further splits `length_128`, …, as multiples of `symbols`.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in each other split, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        alphabet: Alphabet = 16,
        symbols: Annotated[int, Field(ge=2, le=2**20)] = 64,
        longer: Factors = [2, 4, 8, 16],  # noqa: B006 # read, and never changed
        train: TaskSize = 8192,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(symbols, longer, train, valid, test, seed)
        self._alphabet = alphabet

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        read = chance.symbols(self._alphabet, symbols)
        place = int(chance.symbols(symbols - 1, 1)[0])
        read[place] = self._alphabet
        return _told(read, self._alphabet, read[[place + 1]])


class NeedleRetrieval(Lengthening):
    """Pairs of a key and a value in a haystack of random words; one key at the end: its value?

    With several needles all but one are distractors, as in RULER (Hsieh et al., 2024,
    arXiv:2404.06654). Ids: the words, then the keys, then the values. A sequence has two tokens
    more than `symbols`.

    Args:
        needles: pairs in a sequence, all with different keys.
        words: the number of different words.
        keys: the number of different keys, at least `needles`.
        values: the number of different values.
        symbols: tokens before the question in a sequence of `train`, `valid` and `test`.
        longer: lengths of further splits `length_128`, …, as multiples of `symbols`.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in each other split, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        needles: Few = 2,
        words: Alphabet = 32,
        keys: Alphabet = 16,
        values: Alphabet = 16,
        symbols: Symbols = 64,
        longer: Factors = [2, 4, 8, 16],  # noqa: B006 # read, and never changed
        train: TaskSize = 8192,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(symbols, longer, train, valid, test, seed)
        if needles > min(keys, symbols // 2):
            raise ValueError(f"{needles} needles need as many keys, and {2 * needles} symbols")
        self._needles, self._words, self._keys, self._values = needles, words, keys, values

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        read = chance.symbols(self._words, symbols)
        keys = self._words + chance.distinct(np.ones(self._keys), self._needles)
        values = self._words + self._keys + chance.symbols(self._values, self._needles)
        slots = np.sort(chance.distinct(np.ones(symbols - self._needles), self._needles))
        places = slots + np.arange(self._needles)  # each needle before moves those after by one
        read[places], read[places + 1] = keys, values
        asked = int(chance.symbols(self._needles, 1)[0])
        return _told(read, keys[asked], values[[asked]])


class Compression(Lengthening):
    """A random string, a separator, and the string again, told from the state alone.

    Compression of MAD (Poli et al., 2024, arXiv:2403.17844): all of the string has to be in what a
    cell keeps at the separator. There a network of its own decodes one vector; here the cell tells
    symbol after symbol. Train with `objective: hidden_answers`, which puts the separator in the
    place of each answer that would be read; `copy` is the same with answers that are read.
    Ids: the symbols, then the separator. A sequence has 2 symbols + 1 tokens.

    Args:
        alphabet: the number of different symbols.
        symbols: of the string in `train`, `valid` and `test`.
        longer: lengths of further splits `length_32`, …, as multiples of `symbols`.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in each other split, drawn independently.
        seed: the seed of the sequences, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        alphabet: Alphabet = 16,
        symbols: Symbols = 16,
        longer: Factors = [2, 4, 8, 16],  # noqa: B006 # read, and never changed
        train: TaskSize = 8192,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(symbols, longer, train, valid, test, seed)
        self._alphabet = alphabet

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        string = chance.symbols(self._alphabet, symbols)
        return _told(string, self._alphabet, string)


class Memorisation(Asked):
    """Keys, and after each its value in a dictionary that no sequence shows: weights must know it.

    Memorisation of MAD (Poli et al., 2024, arXiv:2403.17844). Train with
    `objective: hidden_answers`. Ids: the keys, then the values. The dictionary is a function of
    `seed` alone.

    Args:
        keys: the number of different keys.
        values: the number of different values.
        symbols: keys in a sequence of `train`, `valid` and `test`.
        longer: lengths of further splits `length_64`, …, as multiples of `symbols`.
        train: sequences in the split `train`.
        valid: sequences in the split `valid`, drawn independently.
        test: sequences in each other split, drawn independently.
        seed: the seed of the dictionary and the sequences, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        keys: Alphabet = 256,
        values: Alphabet = 64,
        symbols: Symbols = 32,
        longer: Factors = [2, 4, 8, 16],  # noqa: B006 # read, and never changed
        train: TaskSize = 8192,
        valid: TaskSize = 256,
        test: TaskSize = 256,
        seed: Seed = 0,
    ) -> None:
        super().__init__(symbols, longer, train, valid, test, seed)
        self.dictionary = Chance(seed, DICTIONARY, 0).symbols(values, keys)

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        keys = chance.symbols(len(self.dictionary), symbols)
        return keys, len(self.dictionary) + self.dictionary[keys]


def _told(read: NDArray[np.int64], question: int, answer: NDArray[np.int64]) -> Ids:
    """What is read, a question, and an answer, which alone counts."""
    ids = np.concatenate([read, [question], answer])
    weights = np.zeros(len(ids), dtype=np.float32)
    weights[len(read) + 1 :] = 1
    return Ids(ids, weights)


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {
        "selective_copying": SelectiveCopying,
        "induction_heads": InductionHeads,
        "needle_retrieval": NeedleRetrieval,
        "compression": Compression,
        "memorisation": Memorisation,
    }
