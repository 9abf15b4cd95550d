"""Tasks of recall: what was read must be told later, however much came in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, Ids, hookimpl
from seqlab_plugins.corpora.lengthening import Asked, Lengthening, Symbols
from seqlab_plugins.corpora.synthetic import Chance, told

Alphabet = Annotated[int, Field(gt=1, le=2**20)]
Few = Annotated[int, Field(gt=0, le=2**16)]
DICTIONARY = 2**16
"""The stream of the random numbers that a dictionary is made of; those of splits are below."""


@dataclass(kw_only=True, eq=False)
class SelectiveCopying(Lengthening):
    """Symbols among noise, at random places; then all of them in order, as in Mamba.

    Gu and Dao, 2023, arXiv:2312.00752, section 4.1.1. A cell has to read what is a symbol, and to
    pass over what is not. Train with `objective: hidden_answers`, which puts the separator in the
    place of each answer that would be read. Ids: symbols, then noise, then the separator.

    Args:
        copied: symbols in a sequence, whatever its length.
        alphabet: the number of different symbols.
        symbols: symbols and noise in a sequence of `train`, `valid` and `test`.
    """

    copied: Few = 8
    alphabet: Alphabet = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copied > self.symbols:
            raise ValueError(f"{self.copied} copied symbols have no room among {self.symbols}")

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        read = np.full(symbols, self.alphabet)
        string = chance.symbols(self.alphabet, self.copied)
        read[np.sort(chance.distinct(np.ones(symbols), self.copied))] = string
        return told(read, self.alphabet + 1, string)


@dataclass(kw_only=True, eq=False)
class InductionHeads(Lengthening):
    """Random symbols, among them a special one; it comes once more at the end: what came after it?

    Gu and Dao, 2023, arXiv:2312.00752, section 4.1.2. One symbol of a sequence counts. Ids: the
    symbols, then the special one. A sequence has two tokens more than `symbols`.

    Args:
        alphabet: the number of different symbols.
        symbols: in a sequence of `train`, `valid` and `test`, the special one included.
    """

    alphabet: Alphabet = 16
    symbols: Annotated[int, Field(ge=2, le=2**20)] = 64

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        read = chance.symbols(self.alphabet, symbols)
        place = int(chance.symbols(symbols - 1, 1)[0])
        read[place] = self.alphabet
        return told(read, self.alphabet, read[[place + 1]])


@dataclass(kw_only=True, eq=False)
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
    """

    needles: Few = 2
    words: Alphabet = 32
    keys: Alphabet = 16
    values: Alphabet = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        needles = self.needles
        if needles > min(self.keys, self.symbols // 2):
            raise ValueError(f"{needles} needles need as many keys, and {2 * needles} symbols")

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        read, needles = chance.symbols(self.words, symbols), self.needles
        keys = self.words + chance.distinct(np.ones(self.keys), needles)
        values = self.words + self.keys + chance.symbols(self.values, needles)
        slots = np.sort(chance.distinct(np.ones(symbols - needles), needles))
        places = slots + np.arange(needles)  # each needle before moves those after by one
        read[places], read[places + 1] = keys, values
        asked = int(chance.symbols(needles, 1)[0])
        return told(read, keys[asked], values[[asked]])


@dataclass(kw_only=True, eq=False)
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
    """

    alphabet: Alphabet = 16
    symbols: Symbols = 16

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        string = chance.symbols(self.alphabet, symbols)
        return told(string, self.alphabet, string)


@dataclass(kw_only=True, eq=False)
class Memorisation(Asked):
    """Keys, and after each its value in a dictionary that no sequence shows: weights must know it.

    Memorisation of MAD (Poli et al., 2024, arXiv:2403.17844). Train with
    `objective: hidden_answers`. Ids: the keys, then the values. The dictionary is a function of
    `seed` alone.

    Args:
        keys: the number of different keys.
        values: the number of different values.
        symbols: keys in a sequence of `train`, `valid` and `test`.
        seed: the seed of the dictionary and the sequences, independent of the run's seed.
    """

    keys: Alphabet = 256
    values: Alphabet = 64
    symbols: Symbols = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dictionary = Chance(self.seed, DICTIONARY, 0).symbols(self.values, self.keys)

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        keys = chance.symbols(self.keys, symbols)
        return keys, self.keys + self.dictionary[keys]


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {
        "selective_copying": SelectiveCopying,
        "induction_heads": InductionHeads,
        "needle_retrieval": NeedleRetrieval,
        "compression": Compression,
        "memorisation": Memorisation,
    }
