"""What is known of runs without opening their models: a row for each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seqlab.errors import SeqlabError
from seqlab.printable import shown_path
from seqlab.runs.folder import RunFolder
from seqlab.runs.lock import in_use
from seqlab.runs.notes import Notes, read_notes
from seqlab.runs.reached import best_of
from seqlab.runs.settings import flatten, run_settings, telling


@dataclass(frozen=True)
class ListedRun:
    """A run in a list; `problem` says what of it is damaged, "": nothing.

    `row` has the columns: `run` (its name), `id`, `folder`, `status`, `step`, `total_steps`,
    `best`, `metric` and `split` (of `best`), `perplexity` (the last), `corpus`, `seed`, `started`,
    `age` (in seconds), `doubt`, `tags` and `note`; None: it is not known, or there is none.
    """

    folder: RunFolder
    row: Mapping[str, Any]
    settings: Mapping[str, Any]
    problem: str = ""


COLUMNS = (
    *("run", "id", "folder", "status", "step", "total_steps", "best", "metric", "split"),
    *("perplexity", "corpus", "seed", "started", "age", "doubt", "tags", "note"),
)


def list_runs(folders: Iterable[RunFolder]) -> list[ListedRun]:
    """Look at runs; a damaged one is listed with the status `damaged`."""
    now = datetime.now(UTC)
    return [_listed(folder, now) for folder in folders]


def differences(runs: Sequence[ListedRun]) -> list[dict[str, Any]]:
    """Return for each run the settings in which it differs from others of its name, by key."""
    groups: dict[str, list[dict[str, Any]]] = {}
    flat = [flatten(run.settings) for run in runs]
    for run, settings in zip(runs, flat, strict=True):
        if settings:
            groups.setdefault(run.row["run"], []).append(settings)
    keys = {name: telling(group) for name, group in groups.items()}
    return [
        {key: settings[key] for key in keys.get(run.row["run"], ()) if key in settings}
        for run, settings in zip(runs, flat, strict=True)
    ]


def _listed(folder: RunFolder, now: datetime) -> ListedRun:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    name = folder.path.name
    row |= {"run": folder.path.parent.name, "id": name.rpartition("-")[2], "tags": []}
    row["folder"] = shown_path(folder.path)
    settings: Mapping[str, Any] = {}
    try:
        description = folder.description()
        row |= _described(description, now)
        if row["status"] == "running" and not in_use(folder.path):
            row["status"] = "killed"
        row |= _columns(read_notes(folder))
        settings = run_settings(folder, description)
        row |= _results(folder, description, settings)
    except SeqlabError as error:
        return ListedRun(folder, row | {"status": "damaged"}, settings, str(error))
    return ListedRun(folder, row, settings)


def _described(description: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    keys = ("status", "step", "total_steps", "seed", "started")
    return {
        **{key: description[key] for key in keys},
        "run": description["name"],
        "age": _seconds_since(description["started"], now),
        "corpus": description["corpus"]["name"],
        "doubt": description.get("doubt"),
    }


def _columns(notes: Notes) -> dict[str, Any]:
    return {"tags": list(notes.tags), "note": notes.note or None}


def _seconds_since(started: str, now: datetime) -> float | None:
    try:
        begun = datetime.fromisoformat(started)
        return max((now - begun).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no time, or one without its zone
        return None


def _results(
    folder: RunFolder, description: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The last perplexity, and the best number of the evaluated split, or else of training."""
    last = folder.last_metrics_row()
    if last is None:
        return {}
    perplexity = last["perplexity"]
    split, loss = (
        _recorded_best(description, settings) or _reached(description) or _lowest_loss(folder)
    )
    best: dict[str, Any] = {}
    if loss is not None:
        as_perplexity = perplexity is not None and loss < math.log(1e308)
        value = math.exp(loss) if as_perplexity else loss
        metric = "perplexity" if as_perplexity else "loss"
        best = {"best": round(value, 6), "metric": metric, "split": split}
    return {"perplexity": None if perplexity is None else round(perplexity, 6), **best}


def _recorded_best(
    description: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[str, float] | None:
    """The best on the evaluated split, which `run.json` has once a run has ended."""
    loss = description.get("best", {}).get("loss")
    evaluation = settings.get("evaluation")
    split = evaluation.get("split") if isinstance(evaluation, dict) else None
    if description["status"] == "running" or loss is None or not isinstance(split, str):
        return None
    return split, loss


def _reached(description: Mapping[str, Any]) -> tuple[str, float | None] | None:
    """The lowest loss that `run.json` has once a run has ended."""
    if description["status"] == "running":
        return None
    best = best_of(description.get("reached", {}))
    return (best[0], best[1]["loss"]) if best else None


def _lowest_loss(folder: RunFolder) -> tuple[str, float | None]:
    """The lowest loss of the split that was evaluated last, or else of training."""
    lowest: dict[str, float] = {}
    split = "train"
    for row in folder.costs():
        if row["split"] != "train":
            split = row["split"]
        if row["loss"] is not None:
            lowest[row["split"]] = min(row["loss"], lowest.get(row["split"], math.inf))
    return split, lowest.get(split)


def age_in_words(seconds: float) -> str:
    """Return how long ago something was: `3 h ago`."""
    for unit, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {'day' if name == 'days' and count == 1 else name} ago"
    return f"{int(seconds)} s ago"
