"""Runs in -> what differs between them, and what they reached."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import dump_flow, load_yaml, read_text
from seqlab.registry import Resolved
from seqlab.runs.loaded_run import Run

METRICS = ("perplexity", "bits_per_character", "accuracy")
SEED = "train.seed"


def compare(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return one row for each group of runs that differ in the seed alone.

    A row has the group's ids, the keys of the experiments in which the groups differ, best and
    last of each metric on each split (for several runs: n, median, worst, mean ± sd), speed and
    wall time. Only what at least one run has appears.
    """
    flat = [_flatten(_settings(run)) for run in runs]
    keys = _differing([{k: v for k, v in one.items() if k != SEED} for one in flat])
    groups: dict[str, list[int]] = {}
    for index, one in enumerate(flat):
        identity = str(sorted((k, str(v)) for k, v in one.items() if k != SEED))
        groups.setdefault(identity, []).append(index)
    rows = []
    for members in groups.values():
        first = flat[members[0]]
        row: dict[str, Any] = {"runs": ", ".join(runs[i].path.name for i in members)}
        row |= {key: first.get(key) for key in keys}
        row |= _numbers([runs[i] for i in members])
        rows.append(row)
    return rows


def distinct(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Leave out runs that are others again: named twice, copied, or copied and resumed.

    Returns:
        The runs, and a sentence for each that was left out.
    """
    kept: dict[Any, Run] = {}
    said = []
    for run in runs:
        first = kept.setdefault(_identity(run.description), run)
        if first is not run:
            said.append(f"{run.path}: is the same run as {first.path}, and counts once")
    return list(kept.values()), said


def _identity(known: Mapping[str, Any]) -> Any:
    """What a run has from its first moment on; older ones have no id."""
    parts = ("started", "experiment_sha256", "seed")
    return known.get("id") or (*(known[part] for part in parts), known["corpus"]["fingerprint"])


def warnings(runs: Sequence[Run]) -> list[str]:
    """Say where numbers do not compare: another corpus, another vocabulary."""
    said = []
    known = [run.description for run in runs]
    if len({one["corpus"]["fingerprint"] for one in known}) > 1:
        said.append("The corpora differ: no loss of one compares with that of another")
    elif len({one["vocabulary"]["sha256"] for one in known}) > 1:
        bits = "compare bits per character, not perplexity"
        unknown = "where text is unknown, no number of one compares with that of another"
        said.append(f"The vocabularies differ: {unknown if any(map(_unknown, runs)) else bits}")
    elif any(map(_unknown, runs)):
        said.append("Some targets stand for unknown text, so there are no bits per character")
    return said


def _unknown(run: Run) -> bool:
    """Whether a target of any row stood for unknown text."""
    return any(row.get("unknown") for row in run.metrics)


def other_model(run: Run, resolved: Resolved) -> str:
    """What of the model a run has instead of what an experiment has; empty: all is the same."""
    both = [_of_model(_settings(run)), _of_model(resolved.as_experiment())]
    keys = _differing(both)
    there, here = (dump_flow({key: one[key] for key in keys if key in one}) for one in both)
    return f"{there} instead of {here}" if keys else ""


def _of_model(settings: Mapping[str, Any]) -> dict[str, Any]:
    return _flatten({section: settings[section] for section in ("cell", "model")})


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
    """Keys that not all have, or not with the same value, in the order of the first that has."""
    everything = dict.fromkeys(key for one in flat for key in one)
    return [key for key in everything if len({str(one.get(key, "")) for one in flat}) > 1]


def _numbers(runs: Sequence[Run]) -> dict[str, Any]:
    rows = [run.metrics for run in runs]
    numbers: dict[str, Any] = {"n": len(runs)} if len(runs) > 1 else {}
    for split in dict.fromkeys(row["split"] for one in rows for row in one):
        for metric in METRICS:
            series = [_series(one, split, metric) for one in rows]
            full = [values for values in series if values]
            if full:
                best = max if metric == "accuracy" else min
                numbers |= _summary(f"{split} {metric}, best", [best(v) for v in full], metric)
                numbers |= _summary(f"{split} {metric}, last", [v[-1] for v in full], metric)
        shares = [values[-1] for one in rows if (values := _series(one, split, "unknown"))]
        if any(shares):
            numbers |= _summary(f"{split} unknown", shares, "unknown")
    training = [row for one in rows for row in one if row["split"] == "train"]
    if training:
        numbers["tokens/s"] = round(statistics.median(r["tokens_per_second"] for r in training))
    numbers["seconds"] = round(statistics.median(map(_seconds, rows)), 1)
    return numbers


def _series(rows: Sequence[Mapping[str, Any]], split: str, metric: str) -> list[float]:
    found = [row.get(metric) for row in rows if row["split"] == split]
    return [value for value in found if value is not None]


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


def _seconds(rows: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(row["seconds"] for row in rows))
