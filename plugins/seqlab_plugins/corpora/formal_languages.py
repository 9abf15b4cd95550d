"""Formal languages: brackets, counting, and a grammar whose sentences have distractors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, Ids, hookimpl
from seqlab_plugins.corpora.lengthening import Asked, Lengthening
from seqlab_plugins.corpora.synthetic import Chance

Kinds = Annotated[int, Field(gt=0, le=1024)]
RULES = 2**16
"""The stream of the random numbers that a grammar is made of; those of splits are below."""


@dataclass(kw_only=True, eq=False)
class Dyck(Asked):
    """Balanced brackets of k kinds, Dyck-k: which bracket would close the last open one?

    Asked after each bracket (Hewitt et al., 2020, arXiv:2010.07515, bound the depth likewise).
    Train with `objective: hidden_answers`. Ids: the opening brackets, the closing ones, then the
    answers: a kind, or that nothing is open.

    Args:
        kinds: k.
        depth: at most so many brackets are open at once.
        symbols: brackets in a sequence of `train`, `valid` and `test`; an even number.
    """

    kinds: Kinds = 2
    depth: Kinds = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.symbols % 2:
            raise ValueError(
                f"{self.symbols} brackets cannot be balanced: `symbols` should be even"
            )

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        opens = chance.symbols(2, symbols)
        kinds = chance.symbols(self.kinds, symbols)
        brackets, answers = np.empty(symbols, np.int64), np.empty(symbols, np.int64)
        unclosed: list[int] = []
        for place in range(symbols):
            left = symbols - place
            if len(unclosed) < min(left, self.depth) and (opens[place] or not unclosed):
                brackets[place] = kinds[place]
                unclosed.append(int(kinds[place]))
            else:
                brackets[place] = self.kinds + unclosed.pop()
            answers[place] = 2 * self.kinds + (unclosed[-1] if unclosed else self.kinds)
        return brackets, answers


@dataclass(kw_only=True, eq=False)
class EqualCounts(Lengthening):
    """As many a as b as c: a^n b^n c^n, then an end (Gers and Schmidhuber, 2001).

    From the second b on each symbol follows from those before. In a split n is drawn from 1 to a
    third of its length, in longer ones from half of that on, and filler follows the end. The first
    c and the end weigh n each, so that the symbol before, said again, is right in less than half.
    Ids: a, b, c, the end, the filler.

    Args:
        symbols: at most so many a, b and c in a sequence of `train`, `valid` and `test`.
    """

    symbols: Annotated[int, Field(ge=3, le=2**20)] = 48

    def drawn(self, chance: Chance, symbols: int) -> Ids:
        most = symbols // 3
        least = 1 if symbols == self.symbols else (most + 1) // 2
        n = least + int(chance.symbols(most - least + 1, 1)[0])
        ids = np.repeat(np.arange(5), (n, n, n, 1, symbols - 3 * n + 1))
        weights = np.zeros(len(ids), dtype=np.float32)
        weights[n + 1 : 3 * n] = 1
        weights[[2 * n, 3 * n]] = n
        return Ids(ids, weights)


@dataclass(kw_only=True, eq=False)
class RuleGrammar(Asked):
    """Sentences of a grammar with distractors in between: does a symbol follow the rules?

    The task that SelectivBench describes (Bouhadjar et al., 2026, arXiv:2601.12598): rules say
    which symbols may follow which, and gaps of symbols that break them interrupt a sentence. It
    goes on from the last symbol before the gap, which must be kept while distractors are read.
    There the next symbol of the sentence is predicted; here it is asked of each symbol whether it
    belongs to the sentence, which has one right answer. Train with `objective: hidden_answers`.

    Ids: the symbols, then the answers no and yes. The rules are a function of `seed` alone.

    Args:
        alphabet: the number of different symbols, above `choices`.
        choices: how many symbols may follow each.
        distractors: share of the symbols that break the rules; each place is drawn by itself, so
            gaps have every length.
        seed: the seed of the rules and the sequences, independent of the run's seed.
    """

    alphabet: Kinds = 16
    choices: Kinds = 4
    distractors: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        alphabet, seed = self.alphabet, self.seed
        if self.choices >= alphabet:
            raise ValueError(
                f"{self.choices} choices of {alphabet} symbols leave none to break rules"
            )
        equal = np.ones(alphabet)
        order = [Chance(seed, RULES, one).distinct(equal, alphabet) for one in range(alphabet)]
        self.after = np.stack(order)  # (alphabet, alphabet): those that may follow come first

    def asked(self, chance: Chance, symbols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        alphabet = self.alphabet
        follows = chance.uniforms(symbols) >= self.distractors
        follows[0] = True  # any symbol begins a sentence
        right = chance.symbols(self.choices, symbols)
        wrong = self.choices + chance.symbols(alphabet - self.choices, symbols)
        ids = chance.symbols(alphabet, symbols)
        last = ids[0]
        for place in range(1, symbols):
            ids[place] = self.after[last, (right if follows[place] else wrong)[place]]
            last = ids[place] if follows[place] else last
        return ids, alphabet + follows


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"dyck": Dyck, "equal_counts": EqualCounts, "rule_grammar": RuleGrammar}
