"""Schemas of the small files of a sweep, which anybody may have changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from seqlab.runs.file_schemas import NotNegativeInt, Short

_strict = with_config(ConfigDict(strict=True, extra="allow"))

LabelField: TypeAlias = str | int | float | bool | None
Labels: TypeAlias = Annotated[list[LabelField], Field(min_length=1, max_length=20_000)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


@_strict
class NumbersField(TypedDict):
    low: Finite
    high: Finite
    log: bool
    whole: bool
    step: Finite | None


@_strict
class ConditionField(TypedDict):
    name: Short
    labels: Labels


@_strict
class DimensionField(TypedDict):
    name: Short
    key: Short
    values: Labels | NumbersField
    where: list[ConditionField]


@_strict
class MetricField(TypedDict):
    name: Short
    split: Short
    take: Literal["best", "last"]


@_strict
class SweepFile(TypedDict):
    """The content of `sweep.json`."""

    format: Literal[1]
    name: Short
    identity: Short
    trials: NotNegativeInt
    seeds: Annotated[int, Field(ge=1, le=1000)]
    metric: MetricField
    minimizes: bool
    search: Short
    prune: Short
    storage: Short
    dimensions: list[DimensionField]


@_strict
class TrialFile(TypedDict):
    """The content of `trial.json`."""

    format: Literal[1]
    sweep: Short
    trial: Annotated[int, Field(ge=0, lt=1_000_000)]
    seed_index: Annotated[int, Field(ge=0, lt=1000)]
    point: dict[Short, LabelField]
    failed: NotRequired[Annotated[str, Field(max_length=100_000)]]


Record: TypeAlias = dict[str, Any]
