"""Compare runs: their settings and their metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.experiment.yaml12 import dump_flow
from seqlab.plots.series import Group
from seqlab.printable import shown_path
from seqlab.registry import Resolved
from seqlab.runs.headings import Named, headings
from seqlab.runs.loaded_run import Run
from seqlab.runs.notes import Notes, read_notes
from seqlab.runs.results import METRICS, Rows, best_of, results
from seqlab.runs.settings import SEED, differing, flatten, resolved_settings, run_settings

ABOUT = ("name", "runs", "folders", "n", "tags", "note", "doubt", "best")
"""Of a row of a comparison: what is neither a setting nor a result."""


def compare(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return one row for each group of runs that differ in the seed only.

    A row has these, in this order:

    - `name`: one that a person gave, or the settings in which it differs; no two rows share one;
    - `runs`: the names of the folders, in one text, and `folders`: their paths;
    - `n`: the number of runs, and the settings in which the rows differ, by key;
    - best and last of each metric on each split, such as `valid perplexity, best`, then `tokens/s`
      and `seconds`: of several runs the median, with `NAME: min`, `max`, `mean` and `sd` beside it;
    - `tags` that all of its runs have, the `note` of its only run, and `doubt`, which says why the
      results should not be trusted, each only where there is one;
    - `best`: the results in which it is better than the others, by name, where that can be said.
    """
    groups = _seed_groups([_Opened.of(run) for run in runs])
    named = [_named(group) for group in groups]
    keys = [key for key in differing([one.settings for one in named]) if key not in ABOUT]
    rows = [
        {
            "name": name,
            "runs": ", ".join(path.name for path in one.folders),
            "folders": [shown_path(path) for path in one.folders],
            "n": len(group),
            **{key: one.settings.get(key) for key in keys},
            **results([run.rows for run in group]),
            **_remarks(group, one.tags),
        }
        for name, one, group in zip(headings(named), named, groups, strict=True)
    ]
    return _with_best(rows, _comparable(runs))


def series(runs: Sequence[Run]) -> list[Group]:
    """Return the rows of runs to be drawn: those that differ in the seed only are one group."""
    groups = _seed_groups([_Opened.of(run) for run in runs])
    names = headings([_named(group) for group in groups])
    rows = [tuple(run.rows for run in group) for group in groups]
    return [Group(name, some) for name, some in zip(names, rows, strict=True)]


@dataclass(frozen=True)
class _Opened:
    """What of a run is compared; the seed is not among its settings."""

    folder: Path
    description: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: Rows
    notes: Notes

    @classmethod
    def of(cls, run: Run) -> _Opened:
        description = run.description
        flat = flatten(run_settings(run.folder, description))
        settings = {key: value for key, value in flat.items() if key != SEED}
        return cls(run.path, description, settings, run.metrics, read_notes(run.folder))


def _seed_groups(runs: Sequence[_Opened]) -> list[list[_Opened]]:
    """Put runs together that have the same settings, in order of appearance."""
    groups: dict[str, list[_Opened]] = {}
    for run in runs:
        identity = str(sorted((key, str(value)) for key, value in run.settings.items()))
        groups.setdefault(identity, []).append(run)
    return list(groups.values())


def _named(group: Sequence[_Opened]) -> Named:
    first = group[0]
    tags = [tag for tag in first.notes.tags if all(tag in run.notes.tags for run in group)]
    folders = tuple(run.folder for run in group)
    return Named(folders, str(first.description["name"]), tuple(tags), first.settings)


def _remarks(group: Sequence[_Opened], tags: Sequence[str]) -> dict[str, Any]:
    doubts = dict.fromkeys(run.description.get("doubt") for run in group)
    doubt = " ".join(filter(None, doubts))
    note = group[0].notes.note if len(group) == 1 else ""
    remarks = {"tags": list(tags), "note": note, "doubt": doubt}
    return {name: remark for name, remark in remarks.items() if remark}


def _with_best(
    rows: Sequence[Mapping[str, Any]], comparable: Sequence[str]
) -> list[dict[str, Any]]:
    """Add to each row in which results it is better than the others."""
    best: list[list[str]] = [[] for _ in rows]
    for name in dict.fromkeys(name for row in rows for name in row):
        for index in best_of(rows, name, comparable):
            best[index].append(name)
    return [{**row, "best": names} for row, names in zip(rows, best, strict=True)]


def _comparable(runs: Sequence[Run]) -> tuple[str, ...]:
    """The metrics in which one run can be said to be better than another."""
    descriptions = [run.description for run in runs]
    if len({description["corpus"]["fingerprint"] for description in descriptions}) > 1:
        return ()
    if len({description["vocabulary"]["sha256"] for description in descriptions}) > 1:
        return ("bits_per_character",)
    return ("loss", *METRICS)


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
        flatten({section: settings[section] for section in ("cell", "model")})
        for settings in (resolved_settings(run.folder), resolved.as_experiment())
    ]
    keys = differing(models)
    its, own = (dump_flow({k: model[k] for k in keys if k in model}) for model in models)
    return f"{its} instead of {own}" if keys else ""
