"""Scored tokens, printed: in colours, as lines, or as JSON."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seqlab.cli.options import print_json
from seqlab.cli.streams import data, err, out
from seqlab.generation.scoring import ScoredToken, Totals
from seqlab.printable import cell, visible
from seqlab.training.loss import perplexity

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run

# Up to so many nats, which is a probability, and the colour of it (SGR).
LEVELS = (
    (0.693, "p > 1/2", "2"),
    (2.303, "p > 1/10", "32"),
    (4.605, "p > 1/100", "33"),
    (6.908, "p > 1/1000", "31"),
    (float("inf"), "less", "97;41"),
)
LEGEND = " ".join(f"\x1b[{color}m{name}\x1b[0m" for _, name, color in LEVELS)


def print_inline(run: Run, tokens: Iterator[ScoredToken]) -> None:
    """Print the text as it is scored, each token in the colour of its surprisal."""
    totals = Totals(run.tokenizer)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    end = ""
    for token in tokens:
        totals.add(token)
        text = visible(decoder.decode(token.bytes))
        data(_colored(text, token.surprisal), end="")
        end = text or end
    data("" if end.endswith("\n") else "\n", end="")
    data(f"\n{LEGEND}  (surprisal of a token: -ln p, in nats)")
    out(_counts(totals))
    for name, value in _summary(totals).items():
        out(f"{name}: {_number(value)}")


def print_lines(run: Run, tokens: Iterator[ScoredToken]) -> None:
    """Print surprisal, id and text of each token as it is scored; the summary is on stderr."""
    totals = Totals(run.tokenizer)
    data("nats\tid\ttoken")
    for token in tokens:
        totals.add(token)
        nats = "" if token.surprisal is None else f"{token.surprisal:.4f}"
        data(f"{nats}\t{token.id}\t{cell(token.bytes.decode('utf-8', 'replace'))}")
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in _summary(totals).items())
    err(f"seqlab: {_counts(totals)}: {numbers}")


def as_json(run: Run, tokens: Iterator[ScoredToken]) -> None:
    """Print everything that is known, with the unit of the surprisal."""
    totals, every = Totals(run.tokenizer), list(tokens)
    for token in every:
        totals.add(token)
    print_json(
        {
            "predicted": totals.scored,
            **_summary(totals),
            "unit": "nats",
            "step": run.checkpoint.step,
            "ids": [token.id for token in every],
            "tokens": [token.bytes.decode("utf-8", "replace") for token in every],
            "surprisal": [token.surprisal for token in every],
        }
    )


def _counts(totals: Totals) -> str:
    """How many tokens there are, and of how many the numbers are: the first is only read."""
    return f"{totals.tokens:,} tokens, {totals.scored:,} predicted"


def _summary(totals: Totals) -> dict[str, Any]:
    return {
        "loss": totals.loss,
        "perplexity": perplexity(totals.loss),
        "bits_per_character": totals.bits_per_character,
    }


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.6g}"


def _colored(text: str, nats: float | None) -> str:
    """A text in its colour, line by line: what follows a line's end has none."""
    if nats is None or not text:
        return text
    color = next(color for most, _, color in LEVELS if nats <= most)
    return "\n".join(f"\x1b[{color}m{line}\x1b[0m" if line else "" for line in text.split("\n"))
