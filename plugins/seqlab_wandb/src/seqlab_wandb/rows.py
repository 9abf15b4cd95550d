"""Rows and settings of a run in the form that Weights & Biases takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def saved_rows(folder: Path) -> list[Row]:
    """Return the rows that a resumed run goes on from; of a new run there are none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def numbers(row: Row) -> dict[str, float]:
    """Return the step of a row and its finite numbers, as `train/loss`."""
    split = row["split"]
    values = {
        f"{split}/{name}": value
        for name, value in row.items()
        if name != "step" and isinstance(value, int | float) and math.isfinite(value)
    }
    return {"step": row["step"], **values}


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting by its dotted key; a list is one value."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
