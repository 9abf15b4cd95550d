"""Texts of a run, printed: whole, or as they come."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqlab.cli.streams import data, generated, has_colors, is_terminal, out
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.generation.generating import Generated
    from seqlab.runs.loaded_run import Run

LONGEST = 40  # characters of a prefix in a label


@dataclass(frozen=True)
class Settings:
    """How to generate: `limits` and `decoder` are arguments of `Run.generate`."""

    num: int
    limits: Mapping[str, Any]
    decoder: Mapping[str, Any]

    @property
    def one(self) -> dict[str, Any]:
        """The arguments for one text."""
        return {**self.limits, **self.decoder}

    @property
    def everything(self) -> dict[str, Any]:
        return {"num": self.num, **self.one}

    def check(self, run: Run, word: Callable[[str], str] = str) -> None:
        """Raise an error if there is no such decoder."""
        run.decoder_with(self.limits["overrides"], word, **self.decoder)


def print_texts(results: Sequence[Generated]) -> None:
    """Print texts, each under its label if there are several on a terminal."""
    labels = _labels([result.prefix for result in results])
    for label, result in zip(labels, results, strict=True):
        _print_label(label)
        generated(result.text)


def stream_texts(run: Run, texts: Sequence[str], settings: Settings) -> None:
    """Print texts one below another, while all of them are generated together.

    The first one that has not ended is shown as it comes; of those behind it, what is there waits.
    """
    from seqlab.generation.prefixes import shown_text

    pieces = run.stream([*texts], **settings.everything)
    owners = [text for text in texts for _ in range(settings.num)]
    waiting = [[shown_text(run.tokenizer, text)] for text in owners]
    ended, labels, shown = [False] * len(owners), _labels(owners), 0
    _print_label(labels[0])
    generated(waiting[0].pop(), end="")
    for index, piece in pieces:
        ended[index] |= not piece
        waiting[index].append(piece)
        while index == shown < len(waiting):
            generated("".join(waiting[shown]), end="")
            waiting[shown].clear()
            if not ended[shown]:
                break
            out()
            index = shown = shown + 1
            if shown < len(waiting):
                _print_label(labels[shown])


def stream_one(run: Run, text: str, settings: Settings, repeat: int) -> None:
    """Print one text as it comes."""
    from seqlab.generation.prefixes import shown_text

    pieces = run.stream(text, repeat=repeat, **settings.one)
    generated(shown_text(run.tokenizer, text), end="")
    for piece in pieces:
        generated(piece, end="")
    out()


def label_of(prefix: str, number: int, total: int) -> str:
    """Which text follows: its prefix, and its number among those of the prefix."""
    short = one_line(prefix if len(prefix) <= LONGEST else f"{prefix[: LONGEST - 1]}…")
    which = f" · {number} of {total}" if total > 1 else ""
    return f"── {short or '(no prefix)'}{which} ──"


def _labels(prefixes: Sequence[str]) -> list[str]:
    """The labels of texts on a terminal; one text alone, or text for a file, has none."""
    if len(prefixes) < 2 or not is_terminal(sys.stdout):
        return [""] * len(prefixes)
    totals, seen, labels = Counter(prefixes), Counter[str](), []
    for prefix in prefixes:
        seen[prefix] += 1
        labels.append(label_of(prefix, seen[prefix], totals[prefix]))
    return labels


def _print_label(label: str) -> None:
    if label:
        data(f"\x1b[2m{label}\x1b[0m" if has_colors(sys.stdout) else label)
