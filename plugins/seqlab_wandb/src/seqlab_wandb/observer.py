"""When what is sent to Weights & Biases."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

from seqlab.records import CheckpointSaved, Measured, RunEnded, RunStarted
from seqlab_wandb.rows import Row, saved_rows
from seqlab_wandb.tracked_run import TrackedRun, end_service, mode

log = logging.getLogger("seqlab.wandb")

COMPLETE = ("finished", "stopped")


class WeightsAndBiases:
    """Logs the settings, the rows of metrics and the status of a run to Weights & Biases.

    Rows are sent as soon as a checkpoint has them, since W&B takes none back: what comes after the
    last checkpoint is trained again if the run is killed. Without a key (WANDB_API_KEY, or what
    `wandb login` has kept), with WANDB_MODE=offline, and where W&B cannot be reached, they are
    written to `wandb/` in the folder of the run, for `wandb sync`.

    Args:
        project: the project of W&B that the run belongs to; null: WANDB_PROJECT, or where that is
            not set, `name` of the run.
        entity: the user or team that the project belongs to; null: WANDB_ENTITY, or your own.
    """

    def __init__(self, *, project: str | None = None, entity: str | None = None) -> None:
        if find_spec("wandb") is None:
            raise ValueError("observer 'wandb' needs a package: pip install wandb")
        self._project, self._entity = project, entity
        self._run: TrackedRun | None = None
        self._rows: list[Row] = []  # that are not sent
        self._covered = 0  # how many of them a checkpoint has

    def seqlab_run_started(self, record: RunStarted) -> None:
        self._rows = saved_rows(Path(record.folder))
        self._run = self._open(record)
        self._covered = max(len(self._rows) - self._run.kept, 0)
        del self._rows[: self._run.kept]
        self._send()

    def seqlab_checkpoint_saved(self, record: CheckpointSaved) -> None:
        self._covered = len(self._rows)
        self._send()

    def seqlab_run_ended(self, record: RunEnded) -> None:
        if self._run is None:  # the run ended before it began
            return
        if record.status in COMPLETE:
            self._covered = len(self._rows)
        self._send()
        self._run.end(record.status)
        self._run = None

    def _keep(self, record: Measured) -> None:
        self._rows.append(record.as_row())

    seqlab_epoch_ended = seqlab_evaluated = _keep

    def _send(self) -> None:
        if self._run is not None:
            self._run.log(self._rows[: self._covered])
            del self._rows[: self._covered]
            self._covered = 0

    def _open(self, record: RunStarted) -> TrackedRun:
        """Open the run of W&B; offline, if W&B cannot be reached."""
        options = {"project": self._project, "entity": self._entity}
        try:
            return TrackedRun(record, len(self._rows), mode(), **options)
        except Exception as error:  # as many kinds as there are ways to fail
            reason = " ".join(str(error).split())[:300]
            log.warning(
                "W&B cannot be reached (%s: %s); the run goes on, and its rows are written for"
                " `wandb sync` to %s", type(error).__name__, reason, Path(record.folder, "wandb")
            )  # fmt: skip
            end_service()
            return TrackedRun(record, len(self._rows), "offline", **options)
