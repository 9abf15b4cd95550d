"""When a run ends early, and which checkpoint is the best."""

from __future__ import annotations

from typing import Any

from seqlab.experiment.sections import Stop
from seqlab.records import Measured


class Best:
    """The lowest loss on the evaluated split so far; `step` is None before the first."""

    def __init__(self, step: int | None = None, loss: float | None = None) -> None:
        self.step = step
        self.loss = loss

    def improved_by(self, record: Measured) -> bool:
        """Take a row in; say whether it is the best so far."""
        if self.loss is not None and not record.loss < self.loss:
            return False
        self.step, self.loss = record.step, record.loss
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "loss": self.loss}


class Stopping:
    """Patience and target of `train.stop`; None: never."""

    def __init__(self, settings: Stop | None) -> None:
        self._settings = settings
        self._best: float | None = None
        self._waited = 0
        self.reason = ""

    def look(self, record: Measured) -> None:
        """Take a row in; `reason` says from then on why the run should end, if it should."""
        settings = self._settings
        if settings is None or record.split != settings.split:
            return
        value = getattr(record, settings.metric)
        if value is None:
            return
        sign = -1.0 if settings.metric == "accuracy" else 1.0
        if self._best is None or sign * value < sign * self._best - settings.min_delta:
            self._best, self._waited = value, 0
        else:
            self._waited += 1
        self._decide(settings, value, sign)

    def _decide(self, settings: Stop, value: float, sign: float) -> None:
        name = f"{settings.split} {settings.metric}"
        if settings.target is not None and sign * value <= sign * settings.target:
            self.reason = f"{name} is {value:g}, the target was {settings.target:g}"
        elif settings.patience is not None and self._waited >= settings.patience:
            self.reason = f"{name} has not been better for {self._waited} rows"

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self._waited, "reason": self.reason}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best, self._waited = state["best"], state["waited"]
        self.reason = state["reason"]
