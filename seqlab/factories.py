"""Types of options that are components themselves.

An option with such a type takes in YAML what the section of the kind takes: a name, or a mapping
with `name`. Its author gets a factory whose options are bound, and calls it with what seqlab
supplies to the kind. `X | None`, `list[X]`, `dict[str, X]` and fields of dataclasses work as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from seqlab import contracts

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from seqlab.vocabulary import Vocabulary

    class CellModule(nn.Module):
        """A cell, as a type checker sees it."""

        output_size: int

    class EmbeddingModule(nn.Module):
        """An embedding, as a type checker sees it."""

        output_size: int


KIND = "seqlab_kind"  # marks the JSON Schema of such a type
T = TypeVar("T", bound=type)


class Default(dict[str, Any]):
    """A component as the default of an option: what a section would have, with its `name`."""

    def __hash__(self) -> int:  # type: ignore[override] # so that a field of a dataclass has it
        return hash(self["name"])

    def __call__(self, *_: Any) -> Any:
        raise TypeError(
            f"component '{self['name']}' is a default that seqlab binds; called in Python, the"
            " component around it needs a factory for this option"
        )


def component(name: str, /, **options: Any) -> Any:
    """Return a default for an option that is a component: `seqlab.component("gru", hidden_size=8)`.

    It is bound to the component of that name, of the kind that the option's type says.
    """
    return Default({"name": name, **options})


@dataclass(frozen=True)
class Part:
    """A component that an option names and that is not bound yet: its kind, and what is written."""

    kind: str
    written: Any


@dataclass(frozen=True)
class PartCheck:
    """Makes a part of what is written; raises ValueError for what names no component."""

    kind: str

    def __call__(self, written: Any) -> Part:
        name = written.get("name") if isinstance(written, dict) else written
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of a {self.kind}, or a mapping with its name")
        return Part(self.kind, written)


def part_schema(kind: str) -> Any:
    """Return what checks a part of a kind, in the form that pydantic takes."""
    return {"type": "function-plain", "function": {"type": "no-info", "function": PartCheck(kind)}}


def factory_of(kind: str) -> Callable[[T], T]:
    """Mark a protocol as the type of factories of a kind, for options.

    Built-in kinds have theirs, such as `seqlab.CellFactory`; a kind of a plugin has its own:

        @seqlab.factory_of("reward")
        class RewardFactory(Protocol):
            def __call__(self) -> Reward: ...
    """

    def mark(protocol: T) -> T:
        marked: Any = protocol
        marked.__get_pydantic_core_schema__ = classmethod(lambda *_: part_schema(kind))
        marked.__get_pydantic_json_schema__ = classmethod(lambda *_: {KIND: kind})
        return protocol

    return mark


@factory_of("corpus")
class CorpusFactory(Protocol):
    """`corpus()` makes the corpus."""

    def __call__(self) -> contracts.Corpus: ...


@factory_of("tokenizer")
class TokenizerFactory(Protocol):
    """`tokenizer()` makes the tokenizer."""

    def __call__(self) -> contracts.Tokenizer: ...


@factory_of("sampler")
class SamplerFactory(Protocol):
    """`sampler(tokens, seed)` makes the sampler."""

    def __call__(self, tokens: Any, seed: int, /) -> contracts.Sampler: ...


@factory_of("cell")
class CellFactory(Protocol):
    """`cell(input_size)` makes the cell, an `nn.Module`."""

    def __call__(self, input_size: int, /) -> CellModule: ...


@factory_of("embedding")
class EmbeddingFactory(Protocol):
    """`embedding(vocabulary)` makes the embedding, an `nn.Module`."""

    def __call__(self, vocabulary: Vocabulary, /) -> EmbeddingModule: ...


@factory_of("head")
class HeadFactory(Protocol):
    """`head(input_size, vocabulary)` makes the head, an `nn.Module`."""

    def __call__(self, input_size: int, vocabulary: Vocabulary, /) -> nn.Module: ...


@factory_of("objective")
class ObjectiveFactory(Protocol):
    """`objective()` makes the objective."""

    def __call__(self) -> contracts.Objective: ...


@factory_of("metric")
class MetricFactory(Protocol):
    """`metric()` makes the metric, for one pass."""

    def __call__(self) -> contracts.Metric: ...


@factory_of("evaluation_method")
class EvaluationMethodFactory(Protocol):
    """`method()` makes the method of evaluation; `training` may be passed by name."""

    def __call__(self, **offered: Any) -> contracts.EvaluationMethod: ...


@factory_of("optimizer")
class OptimizerFactory(Protocol):
    """`optimizer(parameters)` makes the optimizer, of a list of (name, parameter)."""

    def __call__(self, parameters: contracts.NamedParameters, /) -> Optimizer: ...


@factory_of("schedule")
class ScheduleFactory(Protocol):
    """`schedule(optimizer, total_steps)` makes the schedule; `epoch_of` may be passed by name."""

    def __call__(
        self, optimizer: Optimizer, total_steps: int, /, **offered: Any
    ) -> LRScheduler: ...


@factory_of("decoder")
class DecoderFactory(Protocol):
    """`decoder()` makes the decoder."""

    def __call__(self) -> contracts.Decoder: ...


@factory_of("observer")
class ObserverFactory(Protocol):
    """`observer()` makes the observer."""

    def __call__(self) -> contracts.Observer: ...


@factory_of("exporter")
class ExporterFactory(Protocol):
    """`exporter()` makes the exporter."""

    def __call__(self) -> contracts.Exporter: ...
