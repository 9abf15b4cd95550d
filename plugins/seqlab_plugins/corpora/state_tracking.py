"""Tasks that need a state: after each symbol a model is asked what the state is now.

A sequence is symbol, answer, symbol, answer, …, and only answers count. Train with
`objective: hidden_answers`, so that a model reads no answer: otherwise each would be one step from
the one before. Accuracy by length is that of the splits `length_128`, `length_256`, …, whose
sequences are longer than those that it was trained on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, hookimpl
from seqlab_plugins.corpora.lengthening import Asked
from seqlab_plugins.corpora.synthetic import Chance


@dataclass(kw_only=True, eq=False)
class WordProblem(Asked):
    """The product so far of random elements of a group: Merrill et al., 2024, arXiv:2404.08819.

    `parity` is the group of two elements; `cyclic_5` the sums modulo 5; `s3` and `s5` are all
    permutations of 3 and 5 things, of which the last cannot be solved by any fixed number of
    parallel steps, as far as is known. Ids: the elements as symbols, then the elements as answers.
    Guessing is right for one of as many answers as the group has elements.

    Args:
        group: which.
    """

    group: Literal["parity", "cyclic_5", "s3", "s5"] = "parity"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._table = table_of(self.group)

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        size = len(self._table)
        elements = chance.symbols(size, symbols)
        products = itertools.accumulate(elements, lambda so_far, by: self._table[so_far, by])
        return elements, np.fromiter(products, np.int64, symbols) + size


def table_of(group: str) -> NDArray[np.int64]:
    """Return the products of all elements of a group; element 0 changes nothing."""
    sizes = {"parity": 2, "cyclic_5": 5}
    if group in sizes:
        numbers = np.arange(sizes[group])
        return (numbers[:, None] + numbers) % sizes[group]
    elements = list(itertools.permutations(range(int(group[1:]))))
    place = {element: number for number, element in enumerate(elements)}
    return np.array(
        [[place[tuple(first[i] for i in second)] for second in elements] for first in elements]
    )


@dataclass(kw_only=True, eq=False)
class RunningMajority(Asked):
    """Whether there were more ones than zeros so far; where they are equal, there were not.

    Ids: the symbols 0 and 1, and the answers 2 (no) and 3 (yes).
    """

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        ones = chance.symbols(2, symbols)
        return ones, 2 + ((2 * ones - 1).cumsum() > 0)


@dataclass(kw_only=True, eq=False)
class ModularArithmetic(Asked):
    """The value so far of x + y * z - …, computed from left to right modulo a number.

    A symbol is an operator with its number: `+ 3` is one token. Ids: modulus * operator + number
    for the operators +, - and *, then the values as answers. The value begins with 0.

    Args:
        modulus: of all computations.
    """

    modulus: Annotated[int, Field(gt=1, le=1000)] = 5

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        ids = chance.symbols(3 * self.modulus, symbols)
        values, value = [], 0
        for operator, number in zip(*np.divmod(ids, self.modulus), strict=True):
            value = (value + number, value - number, value * number)[operator] % self.modulus
            values.append(value)
        return ids, np.array(values) + 3 * self.modulus


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {
        "word_problem": WordProblem,
        "running_majority": RunningMajority,
        "modular_arithmetic": ModularArithmetic,
    }
