"""Rows and settings of a run in the form that MLflow takes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
LONGEST_NAME, LONGEST_VALUE = 250, 6000  # characters
_NO_NAME = re.compile(r"[^\w./ -]", re.ASCII)


def saved_rows(folder: Path) -> list[Row]:
    """Return the rows that a resumed run goes on from; of a new run there are none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def numbers(row: Row) -> dict[str, float]:
    """Return the finite numbers of a row, as `train/loss`; its step is not among them."""
    split = row["split"]
    return {
        metric_name(f"{split}/{name}"): float(value)
        for name, value in row.items()
        if name != "step" and isinstance(value, int | float) and math.isfinite(value)
    }


def metric_name(text: str) -> str:
    """Return a name that MLflow accepts."""
    return _NO_NAME.sub("_", text)[:LONGEST_NAME]


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each setting by its dotted key; a list is one value."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield metric_name(f"{prefix}{key}"), text[:LONGEST_VALUE]
