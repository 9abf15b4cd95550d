"""Schemas of the small files in a run folder, which anybody may have changed."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from seqlab.errors import CheckpointError

FORMAT = 1
MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 100, 64, 10_000  # characters

_strict = with_config(ConfigDict(strict=True, extra="allow"))

NotNegativeInt: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Loss: TypeAlias = Finite  # that of an objective may be negative
Perplexity: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Proportion: TypeAlias = Annotated[float, Field(ge=0, le=1 + 1e-6, allow_inf_nan=False)]
Short: TypeAlias = Annotated[str, Field(max_length=10_000)]
Tag: TypeAlias = Annotated[str, Field(max_length=LONGEST_TAG)]


@_strict
class CorpusUsed(TypedDict):
    name: Short
    asked_for: Short
    stand_in: NotRequired[bool]
    fingerprint: Short
    tokens: NotNegativeInt


@_strict
class VocabularyUsed(TypedDict):
    size: NotNegativeInt
    sha256: Short


@_strict
class PluginUsed(TypedDict):
    name: Short
    distribution: Short | None
    version: Short | None
    source_sha256: Short


@_strict
class GitState(TypedDict):
    commit: Short
    clean: bool | None


@_strict
class Launch(TypedDict):
    id: Short
    attempt: NotNegativeInt
    processes: NotNegativeInt


class BestSoFar(TypedDict):
    step: NotNegativeInt | None
    loss: Loss | None


@_strict
class NumbersReached(TypedDict):
    """Some columns of a row of `metrics.jsonl`."""

    step: NotNegativeInt
    epoch: NotNegativeInt
    loss: Loss | None
    perplexity: Perplexity | None
    tokens_per_second: NotNegative | None


class SplitReached(TypedDict):
    best: NumbersReached
    last: NumbersReached


@_strict
class InitialWeights(TypedDict):
    """What was taken of the run in `train.init_from`, where only what fits is taken."""

    run: Short
    id: Short | None
    step: NotNegativeInt
    tokens: NotNegativeInt
    taken: list[Short]
    fresh: dict[Short, Short]
    unused: list[Short]


@_strict
class Description(TypedDict):
    """The content of `run.json`; further keys are allowed."""

    format: Literal[1]
    id: NotRequired[Short]
    name: Short
    status: Literal["running", "finished", "stopped", "pruned", "failed", "interrupted"]
    started: Short
    ended: Short | None
    step: NotNegativeInt
    total_steps: NotNegativeInt
    experiment_sha256: Short
    overrides: list[Short]
    seed: NotNegativeInt
    device: Short
    precision: Short
    threads: NotNegativeInt
    parameters: NotNegativeInt
    corpus: CorpusUsed
    vocabulary: VocabularyUsed
    versions: dict[Short, Short | None]
    plugin_options: NotRequired[list[Short]]
    plugins: list[PluginUsed]
    git: NotRequired[GitState | None]
    best: NotRequired[BestSoFar]
    reached: NotRequired[dict[Short, SplitReached]]
    ended_because: NotRequired[str | None]
    doubt: NotRequired[str | None]
    observer_failures: NotRequired[list[str]]
    resumed: NotRequired[list[NotNegativeInt]]
    profile: NotRequired[dict[Short, NotNegative]]
    init_from: NotRequired[InitialWeights]
    settings: NotRequired[dict[str, Any]]
    exported: NotRequired[dict[Short, Short]]
    launch: NotRequired[Launch]


@_strict
class MetricsRow(TypedDict):
    """A row of `metrics.jsonl` (see `seqlab.records.Measured`); other columns are parts."""

    step: NotNegativeInt
    epoch: NotNegativeInt
    split: Short
    loss: Loss | None
    perplexity: Perplexity | None
    bits_per_character: NotNegative | None
    bits_per_byte: NotNegative | None
    accuracy: Proportion | None
    unknown: NotRequired[Proportion | None]
    tokens: NotNegative
    lr: Finite | None
    gradient_norm: NotNegative | None
    seconds: NotNegative
    tokens_per_second: NotNegative


@_strict
class SampleRow(TypedDict):
    """A row of `samples.jsonl`."""

    step: NotNegativeInt
    epoch: NotNegativeInt
    prefix: str
    text: str


class Cost(TypedDict):
    """What of a row of `metrics.jsonl` says how good it is; the rest is not looked at."""

    __pydantic_config__ = ConfigDict(strict=True, extra="ignore")  # type: ignore[misc]

    split: Short
    loss: Loss | None
    perplexity: Perplexity | None


@_strict
class NotesFile(TypedDict):
    """The content of `notes.json`."""

    format: Literal[1]
    tags: Annotated[list[Tag], Field(max_length=MOST_TAGS)]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)]


@cache
def _adapter(schema: type) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def parse(schema: type, data: bytes, where: str) -> dict[str, Any]:
    """Parse JSON; raise CheckpointError unless it matches the schema."""
    try:
        return cast("dict[str, Any]", _adapter(schema).validate_json(data))
    except ValidationError as error:
        raise CheckpointError(f"{where}: is damaged ({_first_error(error)})") from None


def _first_error(error: ValidationError) -> str:
    """Describe the first error without the content of the file."""
    detail = error.errors(include_url=False, include_input=False)[0]
    if detail["type"] == "json_invalid":
        return "not JSON"
    key = ".".join(map(str, detail["loc"]))
    if key == "format":
        return f"its format is not {FORMAT}, which this seqlab reads"
    message = detail["msg"].replace("Input should", "should")
    message = message.replace("Field required", "is missing")
    return f"'{key}' {message}" if key else message
