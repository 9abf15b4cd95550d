"""Schemas of the small files in a run folder, which anybody may have changed."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from seqlab.errors import CheckpointError

FORMAT = 1

_strict = with_config(ConfigDict(strict=True, extra="allow"))

Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Loss: TypeAlias = Annotated[float, Field(ge=-1e-3, allow_inf_nan=False)]  # rounding may go below 0
Perplexity: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1 + 1e-6, allow_inf_nan=False)]
Short: TypeAlias = Annotated[str, Field(max_length=10_000)]


@_strict
class CorpusUsed(TypedDict):
    name: Short
    asked_for: Short
    fingerprint: Short
    tokens: Count


@_strict
class VocabularyUsed(TypedDict):
    size: Count
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
class BestSoFar(TypedDict):
    step: Count | None
    loss: Loss | None


@_strict
class Description(TypedDict):
    """The content of `run.json`; further keys are allowed."""

    format: Literal[1]
    id: NotRequired[Short]
    name: Short
    status: Literal["running", "finished", "failed", "interrupted"]
    started: Short
    ended: Short | None
    step: Count
    total_steps: Count
    experiment_sha256: Short
    overrides: list[Short]
    seed: Count
    device: Short
    precision: Short
    threads: Count
    parameters: Count
    corpus: CorpusUsed
    vocabulary: VocabularyUsed
    versions: dict[Short, Short | None]
    plugin_options: NotRequired[list[Short]]
    plugins: list[PluginUsed]
    git: NotRequired[GitState | None]
    best: NotRequired[BestSoFar]
    ended_because: NotRequired[str | None]
    doubt: NotRequired[str | None]
    observer_failures: NotRequired[list[str]]
    resumed: NotRequired[list[Count]]
    profile: NotRequired[dict[Short, NotNegative]]


@_strict
class MetricsRow(TypedDict):
    """A row of `metrics.jsonl` (see `seqlab.records.Measured`)."""

    step: Count
    epoch: Count
    split: Short
    loss: Loss | None
    perplexity: Perplexity | None
    bits_per_character: NotNegative | None
    bits_per_byte: NotNegative | None
    accuracy: Share | None
    unknown: NotRequired[Share | None]
    tokens: NotNegative
    lr: Finite | None
    gradient_norm: NotNegative | None
    seconds: NotNegative
    tokens_per_second: NotNegative


@_strict
class SampleRow(TypedDict):
    """A row of `samples.jsonl`."""

    step: Count
    epoch: Count
    prefix: str
    text: str


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
        return f"it has another format than {FORMAT}, which this seqlab reads"
    message = detail["msg"].replace("Input should", "should")
    message = message.replace("Field required", "is missing")
    return f"'{key}' {message}" if key else message
