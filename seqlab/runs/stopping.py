"""Early stopping, and the best checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from seqlab.experiment.sections import Stop
from seqlab.records import Measured


@dataclass
class Best:
    """The lowest loss on the evaluated split so far; None before the first."""

    step: int | None = None
    loss: float | None = None

    def improved_by(self, record: Measured) -> bool:
        """Compare with a row; return whether that is the best so far."""
        if self.loss is not None and not record.loss < self.loss:
            return False
        self.step, self.loss = record.step, record.loss
        return True

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)


class Stopping:
    """Patience and target of `train.stop`; None: no early stopping."""

    def __init__(self, settings: Stop | None) -> None:
        self._settings = settings
        self._latest: float | None = None
        self._best: float | None = None
        self._waited = 0

    def update(self, record: Measured) -> None:
        """Take the metric from a row, if the row has it."""
        settings = self._settings
        if settings is None or record.split != settings.split:
            return
        value = getattr(record, settings.metric)
        if value is None:
            return
        self._latest = value
        if self._best is None or self._cost(value) < self._cost(self._best) - settings.min_delta:
            self._best, self._waited = value, 0
        else:
            self._waited += 1

    @property
    def reason(self) -> str:
        """Why the run should end; empty: it should not."""
        settings, latest = self._settings, self._latest
        if settings is None or latest is None:
            return ""
        name = f"{settings.split} {settings.metric}"
        if settings.target is not None and self._cost(latest) <= self._cost(settings.target):
            return f"{name} is {latest:g}, the target was {settings.target:g}"
        if settings.patience is not None and self._waited >= settings.patience:
            return f"{name} has not been better for {self._waited} rows"
        return ""

    def _cost(self, value: float) -> float:
        """Return the value with the sign that makes less better."""
        return -value if self._settings and self._settings.metric == "accuracy" else value

    def state_dict(self) -> dict[str, Any]:
        return {"latest": self._latest, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._latest, self._best, self._waited = state["latest"], state["best"], state["waited"]
