"""What the rows of a run say of a trial."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.errors import RunFailed
from seqlab.runs.folder import RunFolder
from seqlab.sweeps.settings import Metric

ENDED = ("finished", "stopped")
"""The statuses of runs that have a value."""


def values_in(rows: Sequence[Mapping[str, Any]], metric: Metric) -> list[float]:
    """Return the numbers of a metric in rows of its split, in their order."""
    found = [row.get(metric.name) for row in rows if row["split"] == metric.split]
    return [float(value) for value in found if isinstance(value, int | float)]


def value_of(run: RunFolder, metric: Metric, minimizes: bool) -> float:
    """Return the value of a run.

    Raises:
        RunFailed: none of its rows has the metric.
    """
    values = values_in(run.metrics_rows(), metric)
    if not values:
        raise RunFailed(f"{run.metrics}: no row of split '{metric.split}' has '{metric.name}'")
    if metric.take == "last":
        return values[-1]
    return min(values) if minimizes else max(values)


def value_of_trial(runs: Sequence[RunFolder], metric: Metric, minimizes: bool) -> float:
    """Return the median of the values of runs that differ in the seed."""
    return statistics.median(value_of(run, metric, minimizes) for run in runs)
