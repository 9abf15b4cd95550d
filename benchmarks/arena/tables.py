"""What each table asks, which sweeps answer it, and what of their runs is a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A number of a finished run: an evaluation, as `seqlab eval` makes it.

    Args:
        split: which is scored.
        rows: into how many streams it is cut; None: the last evaluation of the run itself.
        metric: of what the evaluation gives.
        window: tokens computed at once, which changes no result.
    """

    split: str
    rows: int | None = None
    metric: str = "accuracy"
    window: int = 128


@dataclass(frozen=True)
class Table:
    """A table of docs/arena.md.

    Args:
        sweeps: names of files in experiments/arena, whose runs are its rows.
        columns: by their headings.
        told: keys of a run's settings that a row says besides its cell; their headings.
        cell: the key of the cell that is compared.
        tuned: the key of a setting that is tuned for each cell: of its values the one is shown
            whose median in the first column is best; empty: nothing is.
        less_is_better: of the columns.
        speed: whether tokens a second of training are shown, of runs that compute equally much.
    """

    sweeps: tuple[str, ...]
    columns: Mapping[str, Column]
    told: Mapping[str, str] = field(default_factory=dict)
    cell: str = "cell"
    tuned: str = ""
    less_is_better: bool = False
    speed: bool = False


def _lengths(trained: int, trained_split: str, rows: int) -> dict[str, Column]:
    """Accuracy at 1, 2, 4, 8 and 16 times the trained length."""
    longer = {str(trained * k): Column(f"length_{trained * k}", rows) for k in (2, 4, 8, 16)}
    return {str(trained): Column(trained_split, rows), **longer}


def _bits(rows: int | None) -> Column:
    return Column("valid", rows, "bits_per_character", window=16)


BLOCK = "cell.layers.0.layers.0.inner"
VALID = 111_539  # targets in the last tenth of Tiny Shakespeare
TABLES = {
    "state_tracking": Table(
        ("state_tracking", "state_tracking_once"),
        _lengths(64, "test", 64),
        {"corpus.group": "task"},
    ),
    "recall": Table(
        ("recall", "recall_once"),
        {
            **{f"{n} pairs": Column(f"pairs_{n}", 64) for n in (4, 8, 16, 32)},
            "64 pairs": Column("test", 64),
        },
        {"model.embedding": "width"},
        "cell.layers.1.inner",
    ),
    "selective_copying": Table(
        ("selective_copying", "selective_copying_once"),
        _lengths(64, "test", 128),
        cell=BLOCK,
    ),
    "induction_heads": Table(
        ("induction_heads", "induction_heads_once"),
        _lengths(64, "test", 256),
        cell=BLOCK,
    ),
    "tiny_shakespeare": Table(
        ("tiny_shakespeare", "tiny_shakespeare_once"),
        {"bits per character": _bits(None)},
        cell=BLOCK,
        tuned="optimizer.lr",
        less_is_better=True,
        speed=True,
    ),
    "lengths": Table(
        ("lengths", "lengths_once"),
        {f"{length:,}": _bits(round(VALID / length)) for length in (128, 256, 512, 1024, 2048)},
        cell=BLOCK,
        less_is_better=True,
    ),
}
