"""What runs reached: one number for each result, of one run or of several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.records import MEASURED

METRICS = ("perplexity", "bits_per_character", "accuracy")
SPREAD = ("min", "max", "mean", "sd")
"""Of several seeds, beside the median: `NAME: min` and so on."""

Rows = Sequence[Mapping[str, Any]]


def results(runs: Sequence[Rows]) -> dict[str, Any]:
    """Return the results of runs that differ in the seed alone, by name.

    Args:
        runs: the rows of `metrics.jsonl` of each.

    Returns:
        Best and last of each metric on each split, the last of further columns, speed and wall
        time. Of several runs each is the median, and `NAME: min`, `max`, `mean` and `sd` follow.
    """
    numbers: dict[str, Any] = {}
    for split in dict.fromkeys(row["split"] for rows in runs for row in rows):
        for metric in METRICS if _has_perplexity(runs) else ("loss", *METRICS):
            series = _series(runs, split, metric)
            if series:
                best = max if metric == "accuracy" else min
                numbers |= _summary(f"{split} {metric}, best", [best(values) for values in series])
                numbers |= _summary(f"{split} {metric}, last", [values[-1] for values in series])
        for part in _further(runs, split):  # nobody knows which way is better
            last = [values[-1] for values in _series(runs, split, part)]
            numbers |= _summary(f"{split} {part}, last", last)
        shares = [values[-1] for values in _series(runs, split, "unknown")]
        if any(shares):
            numbers |= _summary(f"{split} unknown", shares)
    return numbers | _speed(runs)


def _speed(runs: Sequence[Rows]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    training = [row for rows in runs for row in rows if row["split"] == "train"]
    if training:
        numbers["tokens/s"] = round(statistics.median(r["tokens_per_second"] for r in training))
    seconds = [float(sum(row["seconds"] for row in rows)) for rows in runs]
    return numbers | {"seconds": round(statistics.median(seconds), 1)}


def best_of(rows: Sequence[Mapping[str, Any]], name: str, comparable: Sequence[str]) -> list[int]:
    """Return which of several rows are the best in a result; none if that cannot be said.

    Args:
        rows: what `results` gave of each.
        name: of the result.
        comparable: the metrics that may be compared, of `loss` and those in `METRICS`.
    """
    values = {i: row[name] for i, row in enumerate(rows) if _is_number(row.get(name))}
    direction = _direction(name, comparable)
    if direction is None or len(values) < 2 or len(set(values.values())) < 2:
        return []
    best = direction(values.values())
    return [i for i, value in values.items() if value == best]


def _direction(name: str, comparable: Sequence[str]) -> Any:
    """`min` or `max`; None for what is no result, or of which nobody said which way is better."""
    if name in ("tokens/s", "seconds"):
        return max if name == "tokens/s" else min
    measured, comma, which = name.rpartition(", ")
    metric = measured.rpartition(" ")[2]
    if not comma or which not in ("best", "last") or metric not in comparable:
        return None
    return max if metric == "accuracy" else min


def _has_perplexity(runs: Sequence[Rows]) -> bool:
    """Whether any row has one; an objective may have none."""
    return any(row.get("perplexity") is not None for rows in runs for row in rows)


def _further(runs: Sequence[Rows], split: str) -> list[str]:
    """The columns beside those that every row has: parts of objectives, further metrics."""
    names = [name for rows in runs for row in rows if row["split"] == split for name in row]
    values = (name for name in dict.fromkeys(names) if name not in MEASURED)
    return [name for name in values if all(map(_is_number, _flat(_series(runs, split, name))))]


def _flat(series: Sequence[Sequence[Any]]) -> list[Any]:
    return [value for values in series for value in values]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _series(runs: Sequence[Rows], split: str, key: str) -> list[list[float]]:
    """Return the values of a metric in each run that has any."""
    series = [
        [row[key] for row in rows if row["split"] == split and row.get(key) is not None]
        for rows in runs
    ]
    return [values for values in series if values]


def _summary(name: str, values: Sequence[float]) -> dict[str, Any]:
    """The median; of several, the spread as well."""
    numbers = {name: round(statistics.median(values), 6)} if values else {}
    if len(values) > 1:
        spread = min(values), max(values), statistics.fmean(values), statistics.stdev(values)
        pairs = zip(SPREAD, spread, strict=True)
        numbers |= {f"{name}: {word}": round(value, 6) for word, value in pairs}
    return numbers
