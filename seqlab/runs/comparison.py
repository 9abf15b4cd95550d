"""Compare runs: their settings and their metrics."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import dump_flow, load_yaml, read_text
from seqlab.records import MEASURED
from seqlab.registry import Resolved
from seqlab.runs.loaded_run import Run

METRICS = ("perplexity", "bits_per_character", "accuracy")
SEED = "train.seed"


def compare(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return one row for each group of runs that differ in the seed only.

    A row has the ids of the runs, the settings in which the groups differ, best and last of each
    metric on each split (for several runs: n, median, worst, mean ± sd), speed and wall time.
    """
    groups: dict[str, list[Run]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for run in runs:
        flat = {key: value for key, value in _flatten(_settings(run)).items() if key != SEED}
        identity = str(sorted((key, str(value)) for key, value in flat.items()))
        groups.setdefault(identity, []).append(run)
        settings.setdefault(identity, flat)
    keys = _differing(list(settings.values()))
    return [
        {
            "runs": ", ".join(run.path.name for run in group),
            **{key: settings[identity].get(key) for key in keys},
            **_numbers(group),
        }
        for identity, group in groups.items()
    ]


def distinct(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Drop duplicates: runs that are named twice, copied, or copied and resumed.

    Returns:
        The runs, and a notice for each that was dropped.
    """
    kept: dict[Any, Run] = {}
    notices = []
    for run in runs:
        first = kept.setdefault(_identity(run.description), run)
        if first is not run:
            notices.append(f"{run.path}: is the same run as {first.path}, and counts once")
    return list(kept.values()), notices


def _identity(description: Mapping[str, Any]) -> Any:
    """Return the id of a run; older ones have none, but other constant keys."""
    keys = ("started", "experiment_sha256", "seed")
    fingerprint = description["corpus"]["fingerprint"]
    return description.get("id") or (*(description[key] for key in keys), fingerprint)


def warnings(runs: Sequence[Run]) -> list[str]:
    """Say which metrics cannot be compared: the corpora or the vocabularies differ."""
    descriptions = [run.description for run in runs]
    unknown = any(row.get("unknown") for run in runs for row in run.metrics)
    if len({description["corpus"]["fingerprint"] for description in descriptions}) > 1:
        return ["The corpora differ: their losses cannot be compared"]
    if len({description["vocabulary"]["sha256"] for description in descriptions}) > 1:
        if unknown:
            return ["The vocabularies differ, and some text is unknown: no metric can be compared"]
        return ["The vocabularies differ: compare bits per character, not perplexity"]
    if unknown:
        return ["Some targets stand for unknown text, so there are no bits per character"]
    return []


def model_difference(run: Run, resolved: Resolved) -> str:
    """Say how the model of a run differs from that of an experiment; empty: it does not."""
    models = [
        _flatten({section: settings[section] for section in ("cell", "model")})
        for settings in (_settings(run), resolved.as_experiment())
    ]
    keys = _differing(models)
    its, own = (dump_flow({k: model[k] for k in keys if k in model}) for model in models)
    return f"{its} instead of {own}" if keys else ""


def _settings(run: Run) -> dict[str, Any]:
    path = run.folder.resolved
    settings: dict[str, Any] = plain(load_yaml(read_text(path, record=True), Origin(str(path))))
    return settings


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _differing(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values differ, or that some lack, in order of appearance."""
    keys = dict.fromkeys(key for settings in flat for key in settings)
    return [key for key in keys if len({str(settings.get(key, "")) for settings in flat}) > 1]


def _numbers(runs: Sequence[Run]) -> dict[str, Any]:
    rows = [run.metrics for run in runs]
    numbers: dict[str, Any] = {"n": len(runs)} if len(runs) > 1 else {}
    for split in dict.fromkeys(row["split"] for run_rows in rows for row in run_rows):
        for metric in METRICS if _has_perplexity(rows) else ("loss", *METRICS):
            series = _series(rows, split, metric)
            if series:
                best = max if metric == "accuracy" else min
                numbers |= _summary(f"{split} {metric}, best", [best(v) for v in series], metric)
                numbers |= _summary(f"{split} {metric}, last", [v[-1] for v in series], metric)
        for part in _further(rows, split):  # nobody knows which way is better
            last = [values[-1] for values in _series(rows, split, part)]
            numbers |= _summary(f"{split} {part}, last", last, part)
        shares = [values[-1] for values in _series(rows, split, "unknown")]
        if any(shares):
            numbers |= _summary(f"{split} unknown", shares, "unknown")
    training = [row for run_rows in rows for row in run_rows if row["split"] == "train"]
    if training:
        numbers["tokens/s"] = round(statistics.median(r["tokens_per_second"] for r in training))
    seconds = [float(sum(row["seconds"] for row in run_rows)) for run_rows in rows]
    numbers["seconds"] = round(statistics.median(seconds), 1)
    return numbers


def _has_perplexity(rows: Sequence[Sequence[dict[str, Any]]]) -> bool:
    """Whether any row has one; an objective may have none."""
    return any(row.get("perplexity") is not None for run_rows in rows for row in run_rows)


def _further(rows: Sequence[Sequence[dict[str, Any]]], split: str) -> list[str]:
    """The columns beside those that every row has: parts of objectives, further metrics."""
    names = [name for run_rows in rows for row in run_rows if row["split"] == split for name in row]
    values = (name for name in dict.fromkeys(names) if name not in MEASURED)
    return [name for name in values if all(map(_is_number, _flat(_series(rows, split, name))))]


def _flat(series: Sequence[Sequence[Any]]) -> list[Any]:
    return [value for values in series for value in values]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _series(rows: Sequence[Sequence[dict[str, Any]]], split: str, key: str) -> list[list[float]]:
    """Return the values of a metric in each run that has any."""
    series = [
        [row[key] for row in run_rows if row["split"] == split and row.get(key) is not None]
        for run_rows in rows
    ]
    return [values for values in series if values]


def _summary(name: str, values: Sequence[float], metric: str) -> dict[str, Any]:
    if len(values) == 1:
        return {name: round(values[0], 6)}
    worst = min(values) if metric == "accuracy" else max(values)
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    return {
        f"{name}: median": round(statistics.median(values), 6),
        f"{name}: worst": round(worst, 6),
        f"{name}: mean ± sd": f"{mean:.6g} ± {spread:.2g}",
    }
