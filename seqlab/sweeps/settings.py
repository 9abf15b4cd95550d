"""The keys of a sweep file, besides `extends`, `space`, and sections of an experiment.

As for components, the signature is the schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt, MinLen

from seqlab.options import Check, Count

Direction: TypeAlias = Literal["minimize", "maximize"]
Search: TypeAlias = Literal["tpe", "random", "grid", "cmaes"]
Prune: TypeAlias = Literal["none", "median", "hyperband"]


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise ValueError("a power of two, such as 2 or 4")
    return number


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("the name of an environment variable, such as SWEEP_STORAGE")
    return name


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a trial is judged by.

    Args:
        name: a column of `metrics.jsonl`.
        split: of which rows; null: the evaluated split, or `train` where none is evaluated.
        take: which row counts: the best one of a run, or its last.
    """

    name: Annotated[str, MinLen(1)] = "loss"
    split: str | None = None
    take: Literal["best", "last"] = "best"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A database.

    Args:
        environment: the variable that holds its URL, which may have a password in it, and so is
            in no file.
    """

    environment: Annotated[str, Check(_variable)]


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Jobs of a cluster, each of which is a worker that takes one trial after the other.

    Args:
        name: slurm.
        minutes: after which a job ends; Slurm starts it again while there are trials.
        cpus: of each job.
        gpus: of each job.
        memory_gb: of each job; null: what the cluster gives.
        partition: of the cluster; null: its default.
        options: further ones of sbatch, by name, such as `account`.
    """

    name: Literal["slurm"]
    minutes: Annotated[int, Gt(0), Le(60 * 24 * 90)] = 60
    cpus: Annotated[int, Gt(0), Le(4096)] = 1
    gpus: Annotated[int, Ge(0), Le(1024)] = 0
    memory_gb: Annotated[float, Gt(0), Le(2**20)] | None = None
    partition: str | None = None
    options: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a space is searched.

    Args:
        trials: how many points are tried in all, whoever runs them; null: all of a grid.
        metric: what a trial is judged by; a text is its name.
        direction: whether less or more of it is better; null: less, but more of an accuracy.
        search: how points are chosen.
        seed: of the search.
        seeds: with how many seeds each point is run; its value is their median.
        prune: when trials end early that are worse than others were by then.
        parallel: how many trials run at once.
        workers: on how many processes each trial computes, a power of two.
        storage: where the study is kept: a journal in the sweep's folder, or a database.
        executor: what runs the trials: processes of this machine, or jobs of Slurm.
    """

    trials: Count | None = None
    metric: str | Metric = "loss"
    direction: Direction | None = None
    search: Search = "tpe"
    seed: Annotated[int, Ge(0), Lt(2**31)] = 0
    seeds: Annotated[int, Gt(0), Le(1000)] = 1
    prune: Prune = "none"
    parallel: Annotated[int, Gt(0), Le(1024)] = 1
    workers: Annotated[int, Gt(0), Le(1024), Check(_power_of_two)] = 1
    storage: Literal["journal"] | Environment = "journal"
    executor: Literal["processes"] | Slurm = "processes"

    @property
    def measure(self) -> Metric:
        """The metric, in full."""
        return Metric(name=self.metric) if isinstance(self.metric, str) else self.metric

    @property
    def minimizes(self) -> bool:
        if self.direction is None:
            return self.measure.name != "accuracy"
        return self.direction == "minimize"
