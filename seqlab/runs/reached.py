"""What a run has reached on each split, for `run.json`: so no row need be read again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Numbers: TypeAlias = dict[str, Any]

TRAIN = "train"

KEPT = ("step", "epoch", "loss", "perplexity", "tokens_per_second")


class Reached:
    """The row with the lowest loss of each split, and the last one: some of their columns."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._splits: dict[str, dict[str, Numbers]] = {}
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """Look at a row of `metrics.jsonl`."""
        last = {name: _finite(row.get(name)) for name in KEPT}
        known = self._splits.pop(row["split"], {"best": last})  # the last evaluated split is last
        best = last if _is_lower(last["loss"], known["best"]["loss"]) else known["best"]
        self._splits[row["split"]] = {"best": best, "last": last}

    def as_json(self) -> dict[str, dict[str, Numbers]]:
        """Return `best` and `last` of each split by its name, that of the last row last."""
        return dict(self._splits)


def best_of(reached: Mapping[str, Mapping[str, Numbers]]) -> tuple[str, Numbers] | None:
    """Return the split that was evaluated last, or else training, and its best numbers."""
    evaluated = [split for split in reached if split != TRAIN]
    split = evaluated[-1] if evaluated else TRAIN
    return (split, reached[split]["best"]) if split in reached else None


def _is_lower(loss: float | None, than: float | None) -> bool:
    return loss is not None and (than is None or loss < than)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
