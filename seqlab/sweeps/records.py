"""What the folders of a sweep say of its trials: all that a study is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from seqlab.errors import SeqlabError
from seqlab.experiment.located import Located, Origin
from seqlab.runs.folder import RunFolder
from seqlab.runs.trial import PRUNED
from seqlab.sweeps.folder import SweepFolder, status_of
from seqlab.sweeps.scores import ENDED, value_of_trial, values_in
from seqlab.sweeps.settings import Metric
from seqlab.sweeps.space import Choice, Condition, Dimension, Label, Numbers
from seqlab.sweeps.sweep import Sweep

State: TypeAlias = Literal["finished", "pruned", "failed", "begun"]


@dataclass(frozen=True)
class TrialRecord:
    """A trial that was begun.

    Args:
        number: from 0.
        point: where it is in the space.
        state: begun, if it has not ended.
        value: of a finished one the median over its seeds; of a pruned one its last.
        rows: of its first run, what it was judged by, in order.
        reason: why it failed or was pruned.
        runs: the folders of its runs.
    """

    number: int
    point: Mapping[str, Label]
    state: State
    value: float | None = None
    rows: tuple[float, ...] = ()
    reason: str = ""
    runs: tuple[RunFolder, ...] = ()


@dataclass(frozen=True)
class Judge:
    """Says what the runs of a trial came to.

    Args:
        folder: of the sweep.
        seeds: with how many each trial is run.
        metric: what it is judged by.
        minimizes: whether less of it is better.
    """

    folder: SweepFolder
    seeds: int
    metric: Metric
    minimizes: bool

    def everything(self) -> dict[int, TrialRecord]:
        """Return the trials that were begun, by number."""
        trials = {number: self.trial(number, runs) for number, runs in self.folder.runs().items()}
        for number, record in self.folder.failures().items():
            if number not in trials:
                point, reason = record["point"], record["failed"]
                trials[number] = TrialRecord(number, point, "failed", reason=reason)
        return trials

    def trial(self, number: int, runs: Mapping[int, RunFolder]) -> TrialRecord:
        """Return what is known of a trial, given its runs by index of the seed."""
        folders = tuple(run for _, run in sorted(runs.items()))
        point = next(iter(_points(self.folder, folders)), {})
        rows: list[float] = []
        try:
            rows = values_in(folders[0].metrics_rows(), self.metric)
            state, value, reason = self._ended(folders)
        except SeqlabError as error:
            state, value, reason = "failed", None, str(error)
        if state == PRUNED and rows:
            value = rows[-1]
        return TrialRecord(number, point, state, value, tuple(rows), reason, folders)

    def _ended(self, runs: tuple[RunFolder, ...]) -> tuple[State, float | None, str]:
        statuses = [status_of(run) for run in runs]
        for status, run in zip(statuses, runs, strict=True):
            if status in ("failed", PRUNED):
                reason = str(run.description().get("ended_because") or "")
                return ("failed" if status == "failed" else "pruned"), None, reason
        if len(runs) < self.seeds or not all(status in ENDED for status in statuses):
            return "begun", None, ""
        return "finished", value_of_trial(runs, self.metric, self.minimizes), ""


def judge_of(sweep: Sweep, folder: SweepFolder) -> Judge:
    settings = sweep.settings
    return Judge(folder, settings.seeds, sweep.metric, settings.minimizes)


def _points(folder: SweepFolder, runs: tuple[RunFolder, ...]) -> list[Mapping[str, Label]]:
    points = []
    for run in runs:
        try:
            points.append(folder.trial_record(run)["point"])
        except SeqlabError:  # a damaged record; others of the trial may have it
            continue
    return points


def record_of(
    sweep: Sweep, number: int, index: int, point: Mapping[str, Label], failed: str = ""
) -> dict[str, Any]:
    """Return the content of `trial.json`."""
    record = {
        "format": 1,
        "sweep": sweep.name,
        "trial": number,
        "seed_index": index,
        "point": dict(point),
    }
    return record | ({"failed": failed} if failed else {})


# -- sweep.json

NUMBERS = ("low", "high", "log", "whole", "step")


def description_of(sweep: Sweep) -> dict[str, Any]:
    """Return the content of `sweep.json`; a database's URL is not in it."""
    settings = sweep.settings
    storage = settings.storage
    return {
        "format": 1,
        "name": sweep.name,
        "identity": sweep.identity,
        "trials": sweep.trials,
        "seeds": settings.seeds,
        "metric": vars(sweep.metric),
        "minimizes": settings.minimizes,
        "search": settings.search,
        "prune": settings.prune,
        "storage": storage if isinstance(storage, str) else f"${storage.environment}",
        "dimensions": [_as_json(dimension) for dimension in sweep.dimensions],
    }


def _as_json(dimension: Dimension) -> dict[str, Any]:
    values = dimension.values
    if isinstance(values, Numbers):
        written: Any = {name: getattr(values, name) for name in NUMBERS}
    else:
        written = dimension.listed
    where = [{"name": c.name, "labels": list(c.labels)} for c in dimension.where]
    return {"name": dimension.name, "key": dimension.key, "values": written, "where": where}


def dimensions_in(description: Mapping[str, Any]) -> list[Dimension]:
    """Return the dimensions that `sweep.json` has; their choices are their labels."""
    return [_from_json(entry) for entry in description["dimensions"]]


def _from_json(entry: Mapping[str, Any]) -> Dimension:
    nowhere = Located(None, Origin(""))
    values = entry["values"]
    where = tuple(Condition(c["name"], tuple(c["labels"])) for c in entry["where"])
    if isinstance(values, list):
        read: tuple[Choice, ...] | Numbers = tuple(Choice(label, nowhere) for label in values)
    else:
        read = Numbers(**{name: values[name] for name in NUMBERS}, ends=(nowhere, nowhere))
    return Dimension(entry["name"], entry["key"], read, where, nowhere)
