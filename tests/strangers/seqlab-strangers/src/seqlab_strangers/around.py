"""What an objective around another one passes on, whatever the other one has."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

import seqlab


class AroundObjective(nn.Module):
    """An objective that passes on what the one inside has; a subclass changes some of it."""

    def __init__(self, inner: seqlab.Objective) -> None:
        super().__init__()
        self.inner = inner  # its parameters are trained and saved where it is a module
        self.stateful = len(inspect.signature(inner.loss).parameters) > 3

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(getattr(self.inner, "parts", ()))

    @property
    def predicts_next(self) -> bool:
        return getattr(self.inner, "predicts_next", True)

    @property
    def prepare(self) -> Any:
        return getattr(self.inner, "prepare", None)

    @property
    def score(self) -> Any:
        return getattr(self.inner, "score", None)

    def before_training(self) -> None:
        getattr(self.inner, "before_training", lambda: None)()

    def loss(
        self,
        hidden: Tensor,
        head: seqlab.Head,
        window: seqlab.Window,
        state: seqlab.State | None,
    ) -> tuple[seqlab.Terms, seqlab.State]:
        if self.stateful:
            return self.inner.loss(hidden, head, window, state)
        return self.inner.loss(hidden, head, window), ()
