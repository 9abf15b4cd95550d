"""Watches the rows of a run, and prunes its trial."""

from __future__ import annotations

from seqlab.records import EpochEnded, Evaluated, Measured
from seqlab.runs.folder import RunFolder
from seqlab.runs.trial import Pruned
from seqlab.sweeps.scores import values_in
from seqlab.sweeps.settings import Metric
from seqlab.sweeps.study import Study


class Watcher:
    """An observer that tells the study each row that a trial is judged by.

    Args:
        study: that says whether to go on.
        number: of the trial.
        run: the first one of the trial.
        metric: what it is judged by.
    """

    def __init__(self, study: Study, number: int, run: RunFolder, metric: Metric) -> None:
        self._study, self._number, self._run, self._metric = study, number, run, metric

    def seqlab_epoch_ended(self, record: EpochEnded) -> Pruned | None:
        return self._judged(record)

    def seqlab_evaluated(self, record: Evaluated) -> Pruned | None:
        return self._judged(record)

    def _judged(self, record: Measured) -> Pruned | None:
        metric = self._metric
        if record.split != metric.split:
            return None
        values = values_in([record.as_row()], metric)
        if not values:
            return None
        row = len(values_in(self._run.metrics_rows(), metric))  # it is written already
        if not self._study.report(self._number, row, values[0]):
            return None
        where = f"{metric.split} {metric.name} {values[0]:.6g} in row {row}"
        return Pruned(f"pruned: other trials were better than {where}")
