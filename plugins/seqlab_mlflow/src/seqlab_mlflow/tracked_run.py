"""A run of MLflow that has the rows of a run of seqlab, each once."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqlab.records import RunStarted
from seqlab_mlflow.rows import Row, flat, numbers

Place = tuple[str, int]
"""The name of a metric and the step of a value: MLflow may have several values at one."""

ID, STATUS, AFTER = "seqlab.id", "seqlab.status", "seqlab.superseded_by"
STATUSES = {"finished": "FINISHED", "stopped": "FINISHED", "interrupted": "KILLED"}
MOST_VALUES, MOST_SETTINGS = 1000, 100  # of one request
SECONDS = 5.0  # to wait for an answer


class TrackedRun:
    """Finds the run of MLflow that belongs to a run, or makes one.

    MLflow takes no value back. So if it has one that the run no longer has, because it went back to
    an earlier checkpoint or was made longer, a new run of MLflow takes the place of the old one.

    Args:
        started: the run.
        rows: those that it has until now, and that may have been sent.
        uri: the address of the store; None: MLFLOW_TRACKING_URI, or the folder of the run.
        experiment: the name of the experiment in MLflow.
        run_id: the run of MLflow, if this process has had it before.
    """

    def __init__(
        self,
        started: RunStarted,
        rows: Sequence[Row],
        *,
        uri: str | None,
        experiment: str,
        run_id: str = "",
    ) -> None:
        folder = Path(started.folder).absolute()
        self._client = _client(uri or os.environ.get("MLFLOW_TRACKING_URI") or _own_store(folder))
        self._started = started
        self._experiment = self._experiment_id(experiment)
        self._known: set[Place] = set()
        self.id = run_id or self._find()
        if self.id:
            self._known = self._values()
            if not run_id and not self._known <= {p for row in rows for p in _places(row)}:
                self._supersede()
        else:
            self.id = self._create()
        self._set_settings()
        self._client.update_run(self.id, status="RUNNING")

    def log(self, rows: Sequence[Row]) -> None:
        """Send the values that MLflow does not have yet; a row is sent whole."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000  # milliseconds
        batch: list[Metric] = []
        for row in rows:
            values = [
                Metric(name, value, now, row["step"])
                for name, value in numbers(row).items()
                if (name, row["step"]) not in self._known
            ]
            if len(batch) + len(values) > MOST_VALUES:
                self._log(batch)
                batch = []
            batch += values
        self._log(batch)

    def end(self, status: str) -> None:
        """Say how the run ended."""
        self._client.set_tag(self.id, STATUS, status)
        self._client.set_terminated(self.id, STATUSES.get(status, "FAILED"))

    def _log(self, batch: list[Any]) -> None:
        if batch:
            self._client.log_batch(self.id, metrics=batch, synchronous=True)
            self._known |= {(metric.key, metric.step) for metric in batch}

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name))

    def _find(self) -> str:
        """The latest run of MLflow with the id of this run, which none has taken the place of."""
        if not self._started.id:
            return ""
        found = self._client.search_runs(
            [self._experiment],
            f"tags.`{ID}` = '{self._started.id}'",
            order_by=["attributes.start_time DESC"],
        )
        current = [run.info.run_id for run in found if AFTER not in run.data.tags]
        return str(current[0]) if current else ""

    def _create(self) -> str:
        tags = {ID: self._started.id, "seqlab.folder": str(Path(self._started.folder).absolute())}
        run = self._client.create_run(self._experiment, tags=tags, run_name=self._started.name)
        return str(run.info.run_id)

    def _supersede(self) -> None:
        old, self.id, self._known = self.id, self._create(), set()
        self._client.set_tag(old, AFTER, self.id)

    def _values(self) -> set[Place]:
        names = self._client.get_run(self.id).data.metrics
        histories = (self._client.get_metric_history(self.id, name) for name in names)
        return {(value.key, value.step) for history in histories for value in history}

    def _set_settings(self) -> None:
        """Log the settings; one that a resumed run changed is a tag, as MLflow changes none."""
        from mlflow.entities import Param, RunTag

        known = self._client.get_run(self.id).data.params
        settings = dict(flat(self._started.settings))
        new = [Param(key, value) for key, value in settings.items() if key not in known]
        for start in range(0, len(new), MOST_SETTINGS):
            batch = new[start : start + MOST_SETTINGS]
            self._client.log_batch(self.id, params=batch, synchronous=True)
        changed = {k: v for k, v in settings.items() if known.get(k, v) != v}
        tags = [RunTag(f"changed.{key}", value) for key, value in changed.items()]
        if tags:
            self._client.log_batch(self.id, tags=tags, synchronous=True)


def _places(row: Row) -> list[Place]:
    return [(name, row["step"]) for name in numbers(row)]


def _own_store(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def _client(uri: str) -> Any:
    """Return a client of a store that answers; MLflow itself would ask for minutes."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it is read at the import
    import requests
    from mlflow.tracking import MlflowClient

    for noisy in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if uri.startswith(("http://", "https://")):
        requests.head(uri, timeout=SECONDS)
    return MlflowClient(tracking_uri=uri)
