"""Observers: one that ends a run, and one that writes norms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import seqlab
from seqlab.records import EpochEnded, RunStarted, StepEnded


class TooSlow:
    """Ends a run whose training loss falls too little from epoch to epoch.

    Args:
        nats: by how much it should fall.
        patience: after how many epochs without it the run ends.
    """

    def __init__(self, *, nats: float = 0.01, patience: seqlab.Count = 3) -> None:
        self.nats, self.patience = nats, patience
        self.best: float | None = None
        self.waited = 0

    def seqlab_epoch_ended(self, record: EpochEnded) -> seqlab.Stop | None:
        loss = record.loss
        if math.isfinite(loss) and (self.best is None or loss < self.best - self.nats):
            self.best, self.waited = loss, 0
            return None
        self.waited += 1
        if self.waited < self.patience:
            return None
        return seqlab.Stop(f"the loss fell by less than {self.nats} for {self.waited} epochs")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = state["best"], state["waited"]


class NormLog:
    """Writes the norms of parameters, gradients and updates to `norms.jsonl` in the run's folder.

    Args:
        every: steps from one line to the next.
    """

    wants_norms = True

    def __init__(self, *, every: seqlab.Count = 100) -> None:
        self.step_interval = every
        self.path: Path | None = None

    def seqlab_run_started(self, record: RunStarted) -> None:
        self.path = Path(record.folder, "norms.jsonl")

    def seqlab_step_ended(self, record: StepEnded) -> None:
        if self.path is None or record.norms is None:
            return
        norms = {n: [m.parameter, m.gradient, m.update] for n, m in record.norms.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": record.step, **norms}) + "\n")


@seqlab.hookimpl
def seqlab_register_observers() -> dict[str, type[seqlab.Observer]]:
    return {"too_slow": TooSlow, "norm_log": NormLog}
