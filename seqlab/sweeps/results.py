"""What a sweep came to, by its folder alone: a row for each trial, and what matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.experiment.yaml12 import dump_flow
from seqlab.plots.sweep import Scale, SweepPicture, Tried
from seqlab.printable import shown_path
from seqlab.runs.folder import RunFolder
from seqlab.runs.lock import in_use
from seqlab.sweeps.folder import SweepFolder
from seqlab.sweeps.optuna import optuna
from seqlab.sweeps.optuna_trials import frozen
from seqlab.sweeps.records import Judge, TrialRecord, dimensions_in
from seqlab.sweeps.settings import Metric
from seqlab.sweeps.space import Dimension, Label, Numbers

ORDER = ("finished", "pruned", "running", "interrupted", "failed", "waiting")
FEWEST = 4  # finished trials, of which it can be said what matters


@dataclass(frozen=True)
class SweepResults:
    """A sweep and its trials as they are now.

    Args:
        folder: of the sweep.
        description: the content of `sweep.json`.
    """

    folder: SweepFolder
    description: Mapping[str, Any]

    @classmethod
    def read(cls, folder: SweepFolder) -> SweepResults:
        return cls(folder, folder.description())

    @property
    def metric(self) -> Metric:
        known = self.description["metric"]
        return Metric(name=known["name"], split=known["split"], take=known["take"])

    @property
    def minimizes(self) -> bool:
        return bool(self.description["minimizes"])

    @cached_property
    def dimensions(self) -> list[Dimension]:
        return dimensions_in(self.description)

    @cached_property
    def trials(self) -> list[TrialRecord]:
        """Those that were begun, by number."""
        judge = Judge(self.folder, self.description["seeds"], self.metric, self.minimizes)
        return [trial for _, trial in sorted(judge.everything().items())]

    @property
    def finished(self) -> list[TrialRecord]:
        """Those that have a value to compare, the best first."""
        found = [trial for trial in self.trials if trial.state == "finished"]
        return sorted(found, key=lambda t: (t.value or 0.0) * (1 if self.minimizes else -1))

    @property
    def best(self) -> TrialRecord | None:
        return next(iter(self.finished), None)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each trial: the best first, and then those that did not finish.

        A row has `trial`, `status`, `value`, a column for each key of the space (None: it is not
        searched there), `rows` (by how many it was judged), `reason` and `runs` (their folders).
        """
        keys = dict.fromkeys(dimension.key for dimension in self.dimensions)
        rows = [
            {
                "trial": trial.number,
                "status": status_now(trial),
                "value": trial.value,
                **dict.fromkeys(keys),
                **self.settings(trial),
                "rows": len(trial.rows),
                "reason": trial.reason or None,
                "runs": [shown_path(run.path) for run in trial.runs],
            }
            for trial in self.trials
        ]
        places = {trial.number: place for place, trial in enumerate(self.finished)}
        return sorted(
            rows, key=lambda row: (ORDER.index(row["status"]), places.get(row["trial"], 0))
        )

    def settings(self, trial: TrialRecord) -> dict[str, Label]:
        """The keys of a trial's point."""
        return {d.key: trial.point[d.name] for d in self.dimensions if d.name in trial.point}

    def counts(self) -> dict[str, int]:
        """How many trials are in each state, and how many wait."""
        counts = Counter(status_now(trial) for trial in self.trials)
        waiting = self.description["trials"] - len(self.trials)
        found = {**counts, "waiting": waiting}
        return {state: found[state] for state in ORDER if found.get(state, 0) > 0}

    def importances(self) -> dict[str, float]:
        """How much of the difference between good and other trials is due to each dimension.

        By PED-ANOVA (Watanabe et al., https://arxiv.org/abs/2304.10255): shares, which add up to 1.
        Empty where there are too few trials to say.
        """
        if len(self.finished) < FEWEST or len({trial.value for trial in self.finished}) < 2:
            return {}
        importance = optuna().importance
        try:
            found = importance.get_param_importances(
                self.study(), evaluator=importance.PedAnovaImportanceEvaluator()
            )
        except (ValueError, RuntimeError):  # no dimension that varies among those that finished
            return {}
        return {str(name): float(value) for name, value in found.items()}

    def study(self) -> Any:
        """Return Optuna's study of the trials that have ended, in memory."""
        direction = "minimize" if self.minimizes else "maximize"
        study = optuna().create_study(direction=direction)
        for trial in self.trials:
            if trial.state != "begun":
                study.add_trial(frozen(trial, tuple(self.dimensions)))
        return study

    def picture(self) -> SweepPicture:
        """Return what is drawn of the sweep."""
        tried = [
            Tried(t.number, t.value, self._in_words(t), t.state == "pruned")
            for t in self.trials
            if t.value is not None
        ]
        metric = self.metric
        return SweepPicture(
            name=str(self.description["name"]),
            measure=f"{metric.split} {metric.name}, {metric.take}",
            minimizes=self.minimizes,
            scales=tuple(self._scales()),
            tried=tuple(tried),
            importances=self.importances(),
        )

    def _in_words(self, trial: TrialRecord) -> dict[str, Any]:
        """A trial's settings, those of lists as texts."""
        lists = {d.key for d in self.dimensions if not isinstance(d.values, Numbers)}
        settings = self.settings(trial).items()
        return {k: dump_flow(v) if k in lists else v for k, v in settings}

    def _scales(self) -> Iterator[Scale]:
        """An axis for each key, over all that is searched of it."""
        by_key: dict[str, list[Dimension]] = {}
        for dimension in self.dimensions:
            by_key.setdefault(dimension.key, []).append(dimension)
        for key, some in by_key.items():
            lists = [d.listed or [] for d in some if not isinstance(d.values, Numbers)]
            if len(lists) not in (0, len(some)):  # a list here, numbers there
                continue
            labels = dict.fromkeys(dump_flow(label) for one in lists for label in one)
            logs = [d.values.log for d in some if isinstance(d.values, Numbers)]
            yield Scale(key, bool(logs) and all(logs), tuple(labels))


def status_now(trial: TrialRecord) -> str:
    """The state of a trial; of one that has not ended, whether somebody runs it."""
    if trial.state != "begun":
        return trial.state
    return "running" if _is_running(trial.runs) else "interrupted"


def _is_running(runs: Sequence[RunFolder]) -> bool:
    return any(in_use(run.path) for run in runs)
