"""What the small files of a run folder must look like, since anybody may have written them."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from seqlab.errors import CheckpointError

FORMAT = 1

_shape = with_config(ConfigDict(strict=True, extra="allow"))

Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Loss: TypeAlias = Annotated[float, Field(ge=-1e-3, allow_inf_nan=False)]  # rounding may go below 0
Perplexity: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1 + 1e-6, allow_inf_nan=False)]
Short: TypeAlias = Annotated[str, Field(max_length=10_000)]


@_shape
class CorpusUsed(TypedDict):
    name: Short
    asked_for: Short
    fingerprint: Short
    tokens: Count


@_shape
class VocabularyUsed(TypedDict):
    size: Count
    sha256: Short


@_shape
class PluginUsed(TypedDict):
    name: Short
    distribution: Short | None
    version: Short | None
    source_sha256: Short


@_shape
class GitState(TypedDict):
    commit: Short
    clean: bool | None


@_shape
class BestSoFar(TypedDict):
    step: Count | None
    loss: Loss | None


@_shape
class Description(TypedDict):
    """The content of `run.json`; further keys are nobody's harm."""

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


@_shape
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


@_shape
class SampleRow(TypedDict):
    """A row of `samples.jsonl`."""

    step: Count
    epoch: Count
    prefix: str
    text: str


@cache
def _adapter(shape: type) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def parse(shape: type, data: bytes, where: str) -> dict[str, Any]:
    """Read JSON that should have a shape.

    Raises:
        CheckpointError: it is no JSON, or has another shape.
    """
    try:
        return cast("dict[str, Any]", _adapter(shape).validate_json(data))
    except ValidationError as error:
        raise CheckpointError(f"{where}: is damaged ({_first(error)})") from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, without a word of the content."""
    detail = error.errors(include_url=False, include_input=False)[0]
    if detail["type"] == "json_invalid":
        return "not JSON"
    place = ".".join(map(str, detail["loc"]))
    if place == "format":
        return f"it has another format than {FORMAT}, which this seqlab reads"
    said = detail["msg"].replace("Input should", "should").replace("Field required", "is missing")
    return f"'{place}' {said}" if place else said
