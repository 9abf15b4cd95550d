"""When what is sent to MLflow."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seqlab.records import CheckpointSaved, Measured, RunEnded, RunStarted
from seqlab_mlflow.rows import Row, saved_rows
from seqlab_mlflow.tracked_run import TrackedRun

log = logging.getLogger("seqlab.mlflow")

COMPLETE = ("finished", "stopped")


class MLflow:
    """Logs the settings, the rows of metrics and the status of a run to MLflow.

    Rows are sent as soon as a checkpoint has them, since MLflow takes none back: what comes after
    the last checkpoint is trained again if the run is killed. Where the store cannot be reached,
    the run goes on with one warning, and it is tried again at the next checkpoint.

    Args:
        experiment: the experiment of MLflow that the run belongs to; null: `name` of the run.
        tracking_uri: the address of the store; null: MLFLOW_TRACKING_URI, or where that is not
            set, a database in the folder of the run.
    """

    def __init__(self, *, experiment: str | None = None, tracking_uri: str | None = None) -> None:
        if find_spec("mlflow") is None:
            raise ValueError("observer 'mlflow' needs a package: pip install mlflow-skinny")
        if tracking_uri is not None and urlsplit(tracking_uri).password is not None:
            raise ValueError(
                "tracking_uri has a password, which the record of the run would show; set the"
                " address as MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_PASSWORD, in the environment"
            )
        self._experiment, self._uri = experiment, tracking_uri
        self._started: RunStarted | None = None
        self._run: TrackedRun | None = None
        self._run_id = ""
        self._rows: list[Row] = []  # that are not sent
        self._covered = 0  # how many of them a checkpoint has
        self._warned = False

    def seqlab_run_started(self, record: RunStarted) -> None:
        self._started = record
        self._rows = saved_rows(Path(record.folder))
        self._covered = len(self._rows)
        self._send()

    def seqlab_checkpoint_saved(self, record: CheckpointSaved) -> None:
        self._covered = len(self._rows)
        self._send()

    def seqlab_run_ended(self, record: RunEnded) -> None:
        if record.status in COMPLETE:
            self._covered = len(self._rows)
        self._send(record.status)

    def _keep(self, record: Measured) -> None:
        self._rows.append(record.as_row())

    seqlab_epoch_ended = seqlab_evaluated = _keep

    def _send(self, status: str = "") -> None:
        """Send what a checkpoint has, and the status, if the store can be reached."""
        if self._started is None:  # the run ended before it began
            return
        try:
            run = self._run or self._open(self._started)
            run.log(self._rows[: self._covered])
            del self._rows[: self._covered]
            self._covered = 0
            if status:
                run.end(status)
        except Exception as error:  # as many kinds as there are stores
            self._run = None  # what has arrived is asked for again
            self._warn(error)

    def _open(self, started: RunStarted) -> TrackedRun:
        self._run = TrackedRun(
            started,
            self._rows[: self._covered],
            uri=self._uri,
            experiment=self._experiment or started.name,
            run_id=self._run_id,
        )
        self._run_id = self._run.id
        return self._run

    def _warn(self, error: Any) -> None:
        if not self._warned:
            reason = " ".join(str(error).split())[:300]
            log.warning(
                "MLflow cannot be reached (%s: %s); the run goes on, metrics.jsonl has all rows,"
                " and they are sent as soon as it answers", type(error).__name__, reason
            )  # fmt: skip
        self._warned = True
