"""Several optimizers as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.optim import Optimizer


class Several(Optimizer):
    """Optimizers of different parameters that step together; a schedule changes all of them.

    None of them may need a closure: each evaluation would be at weights that only it has chosen.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self.parts = list(parts)
        for part in self.parts:
            if getattr(part, "needs_closure", False):
                raise ValueError(
                    f"{type(part).__name__} needs a closure, so it cannot be one of several"
                    " optimizers; put it around them"
                )
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share_groups()

    def step(self, closure: Any = None) -> Any:
        """Take a step of each."""
        loss = closure() if closure is not None else None
        for part in self.parts:
            pass_on_skip(self, part)
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()

    @property
    def eval(self) -> Callable[[], None] | None:
        """Offered if a part has it."""
        return mode_of(self.parts, "eval")

    @property
    def evaluated(self) -> Callable[[float], None] | None:
        """Offered if a part has it."""
        return told_of(self.parts)

    @property
    def train(self) -> Callable[[], None] | None:
        """Offered if a part has it."""
        return mode_of(self.parts, "train")

    def _share_groups(self) -> None:
        """Use the groups of the parts, so that a schedule changes these."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def pass_on_skip(outer: Any, inner: Any) -> None:
    """Tell an optimizer inside another one what the loop tells the outer one.

    `found_inf` of 1 makes torch's fused optimizers leave a step out.
    """
    if hasattr(outer, "found_inf"):
        inner.found_inf = outer.found_inf


def mode_of(optimizers: Sequence[Optimizer], name: str) -> Callable[[], None] | None:
    """Return what puts all of some optimizers into a mode; None: none of them has it."""
    changes = [change for each in optimizers if (change := getattr(each, name, None)) is not None]

    def change_all() -> None:
        for change in changes:
            change()

    return change_all if changes else None


def told_of(optimizers: Sequence[Optimizer]) -> Callable[[float], None] | None:
    """Return what tells some optimizers the loss of an evaluation; None: none of them asks."""
    listeners = [each for o in optimizers if (each := getattr(o, "evaluated", None)) is not None]

    def tell_all(loss: float) -> None:
        for listener in listeners:
            listener(loss)

    return tell_all if listeners else None
