"""Trials in Optuna's terms, and in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seqlab.sweeps.optuna import optuna
from seqlab.sweeps.records import TrialRecord
from seqlab.sweeps.searching import distribution_of
from seqlab.sweeps.space import Dimension, Label, Numbers, Point, grid
from seqlab.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import optuna as o

NAMES = {
    "COMPLETE": "finished",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}
"""Our words for Optuna's states."""


def suggested(trial: o.trial.Trial, dimension: Dimension) -> Label:
    """Return where a trial is in a dimension."""
    values, name = dimension.values, dimension.name
    if not isinstance(values, Numbers):
        label: Label = trial.suggest_categorical(name, dimension.listed or [])
        return label
    if values.whole:
        step = int(values.step or 1)
        return int(
            trial.suggest_int(name, int(values.low), int(values.high), step=step, log=values.log)
        )
    return float(
        trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)
    )


def frozen(record: TrialRecord, dimensions: tuple[Dimension, ...]) -> o.trial.FrozenTrial:
    """Return a trial that has ended as Optuna has it."""
    states = optuna().trial.TrialState
    point = {d.name: record.point[d.name] for d in dimensions if d.name in record.point}
    state = {"finished": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
    trial: o.trial.FrozenTrial = optuna().trial.create_trial(
        state=state[record.state],
        value=record.value if record.state != "failed" else None,
        params=point,
        distributions={d.name: distribution_of(d) for d in dimensions if d.name in point},
        intermediate_values=dict(enumerate(record.rows, 1)),
        user_attrs={"reason": record.reason[:2000]} if record.reason else {},
    )
    return trial


def grid_points(sweep: Sweep) -> Mapping[int, Point]:
    """Return the points of a grid by trial, in an order that the seed of the search gives."""
    from random import Random

    points = list(grid(sweep.dimensions))
    Random(sweep.settings.seed).shuffle(points)  # noqa: S311 # no secret
    return dict(enumerate(points))
