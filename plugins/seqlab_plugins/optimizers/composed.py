"""Optimizers around others: groups of parameters with settings of their own, and lookahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from seqlab import NamedParameters, OptimizerFactory, component, hookimpl
from seqlab_plugins.optimizers.basic import Decay, Rate
from seqlab_plugins.optimizers.several import Several, mode_of, pass_on_skip, told_of

ADAMW = component("adamw")
Patterns = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters with settings of their own.

    Args:
        match: patterns of their names, such as `*.bias` or `layers.0.*`.
        lr: learning rate; null: that of the optimizer.
        weight_decay: null: that of the optimizer.
        optimizer: of these parameters; null: the one of the section.
    """

    match: Patterns
    lr: Rate | None = None
    weight_decay: Decay | None = None
    optimizer: OptimizerFactory | None = None


def groups(
    parameters: NamedParameters,
    *,
    base: OptimizerFactory = ADAMW,
    groups: list[Group] = [],  # noqa: B006 # nobody changes it
    no_decay: Literal["vectors"] | Patterns | None = "vectors",
) -> Optimizer:
    """An optimizer whose settings differ from parameter to parameter, by their names.

    torch's groups of parameters have the number of the group here as `part`; the rest is the last.

    Args:
        base: the optimizer.
        groups: each parameter belongs to the first group with a pattern that matches its name.
        no_decay: what has no weight decay, unless its group says so: vectors, as biases and the
            weights of norms are; or patterns of names; null: nothing.
    """
    parts, rest = [], list(parameters)
    for number, group in enumerate(groups):
        chosen = [(name, p) for name, p in rest if _matches(name, group.match)]
        if not chosen:
            names = ", ".join(name for name, _ in parameters)
            raise ValueError(f"no parameter is left for the patterns {group.match}; all: {names}")
        rest = [(name, p) for name, p in rest if not _matches(name, group.match)]
        undecayed = None if group.weight_decay is not None else no_decay
        for optimizer in _built(group.optimizer or base, chosen, undecayed):
            _set(optimizer, lr=group.lr, weight_decay=group.weight_decay)
            parts.append(_numbered(optimizer, number))
    parts += [_numbered(optimizer, len(groups)) for optimizer in _built(base, rest, no_decay)]
    return Several(parts)


def _numbered(optimizer: Optimizer, part: int) -> Optimizer:
    for group in optimizer.param_groups:
        group["part"] = part
    return optimizer


def _built(
    make: OptimizerFactory, parameters: NamedParameters, no_decay: str | list[str] | None
) -> Iterator[Optimizer]:
    """One optimizer of what decays, and one of the rest."""
    plain = [(name, p) for name, p in parameters if _undecayed(name, p, no_decay)]
    decayed = [(name, p) for name, p in parameters if not _undecayed(name, p, no_decay)]
    if decayed:
        yield make(decayed)
    if plain:
        optimizer = make(plain)
        _set(optimizer, weight_decay=0.0)
        yield optimizer


def _undecayed(name: str, parameter: Tensor, no_decay: str | list[str] | None) -> bool:
    if no_decay == "vectors":
        return parameter.dim() < 2
    return isinstance(no_decay, list) and _matches(name, no_decay)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _set(optimizer: Optimizer, **settings: float | None) -> None:
    """Change settings of all groups; one that the optimizer does not have is refused."""
    for key, value in settings.items():
        for group in optimizer.param_groups if value is not None else ():
            if key not in group and value:
                raise ValueError(f"{type(optimizer).__name__} has no {key}")
            group[key] = value


class Lookahead(Optimizer):
    """Slow weights that follow those of another optimizer: Zhang et al., 2019, arXiv:1907.08610.

        slow = slow + share * (fast - slow), and fast = slow, after every `steps` steps

    Args:
        base: the optimizer of the fast weights.
        steps: after how many of its steps the slow weights move.
        share: of the way to the fast weights.
    """

    def __init__(
        self,
        parameters: NamedParameters,
        *,
        base: OptimizerFactory = ADAMW,
        steps: Annotated[int, Field(gt=0, le=2**20)] = 5,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
    ) -> None:
        self.fast, self.steps, self.share = base(parameters), steps, share
        super().__init__(self.fast.param_groups, {})
        self.param_groups = self.fast.param_groups
        self.slow = [p.detach().clone() for p in self._parameters()]
        self.taken = torch.zeros((), dtype=torch.int64, device=self.slow[0].device)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step of the fast weights, and every `steps` of them one of the slow ones.

        It asks no number of a GPU, which would have to be waited for; a step that is left out does
        not count.
        """
        pass_on_skip(self, self.fast)
        loss = self.fast.step(closure)
        taken = 1 - getattr(self, "found_inf", torch.zeros_like(self.taken)).to(torch.int64)
        self.taken += taken
        due = (self.taken % self.steps == 0) * taken
        for slow, fast in zip(self.slow, self._parameters(), strict=True):
            if fast.grad is None:
                continue
            moves = due.to(slow.dtype)
            slow.lerp_(fast, moves * self.share)
            fast.lerp_(slow, moves)
        return loss

    @property
    def needs_closure(self) -> bool:
        """Whether the optimizer of the fast weights needs one."""
        return getattr(self.fast, "needs_closure", False)

    @property
    def eval(self) -> Callable[[], None] | None:
        """Offered if the optimizer of the fast weights has it."""
        return mode_of([self.fast], "eval")

    @property
    def evaluated(self) -> Callable[[float], None] | None:
        """Offered if the optimizer of the fast weights has it."""
        return told_of([self.fast])

    @property
    def train(self) -> Callable[[], None] | None:
        """Offered if the optimizer of the fast weights has it."""
        return mode_of([self.fast], "train")

    def state_dict(self) -> dict[str, Any]:
        return {"fast": self.fast.state_dict(), "slow": list(self.slow), "taken": self.taken}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.fast.load_state_dict(state_dict["fast"])
        self.param_groups = self.fast.param_groups
        for slow, saved in zip(self.slow, state_dict["slow"], strict=True):
            slow.copy_(saved)
        self.taken.copy_(state_dict["taken"])

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.fast.param_groups for p in group["params"]]


@hookimpl
def seqlab_register_optimizers() -> dict[str, Callable[..., Optimizer]]:
    return {"groups": groups, "lookahead": Lookahead}
