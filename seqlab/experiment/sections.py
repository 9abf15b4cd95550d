"""The sections and keys of an experiment that the core itself reads.

As for components, the signature is the schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt, MinLen

from seqlab.experiment.interval import Every
from seqlab.experiment.later_keys import LATER
from seqlab.experiment.model_keys import Dropout, Initial, Pattern
from seqlab.factories import (
    CorpusFactory,
    Default,
    EmbeddingFactory,
    EvaluationMethodFactory,
    HeadFactory,
    MetricFactory,
    component,
)
from seqlab.options import Check, Count, Finite, LargeCount, Layers, Share

_Shares: TypeAlias = float | dict[Literal["valid", "test"], float] | None


def _device_name(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", name):
        raise ValueError("auto, cpu, cuda or cuda:N; mps lacks float64, in which losses are summed")
    return name


def _not_test(split: str) -> str:
    if split == "test":
        raise ValueError(
            "another split: scores in training decide what is kept, and `test` is for"
            " an evaluation at the end"
        )
    return split


def _less_than_all(shares: _Shares) -> _Shares:
    if isinstance(shares, dict) and sum(shares.values()) >= 1:
        raise ValueError("shares of less than 1 together, so that some is left to train on")
    return shares


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise ValueError("a power of two, such as 4 or 8")
    return number


Length = Annotated[int, Gt(0), Le(1_000_000)]  # tokens of a generated text
Shards = Annotated[int, Gt(0), Le(2**10), Check(_power_of_two)]
_ONE_HOT, _LINEAR = component("one_hot"), component("linear")
HeldOut = Annotated[float, Gt(0), Lt(1)]


def learned(size: int) -> Default:
    """The embedding that a number in `model.embedding` is short for."""
    return Default(name="learned", size=size)


@dataclass(frozen=True, kw_only=True)
class CorpusKeys:
    """Keys that the core reads in every corpus section.

    Args:
        max_characters: use no more than this many characters of each split, from its start.
        holdout: share at the end of the training split that becomes `valid`; or a share for each
            of `valid` and `test`, less than 1 together. For corpora that have no such split of
            their own.
        if_unavailable: a corpus that takes this one's place where it cannot be had.
    """

    max_characters: LargeCount | None = None
    holdout: Annotated[
        HeldOut | dict[Literal["valid", "test"], HeldOut] | None, Check(_less_than_all)
    ] = None
    if_unavailable: CorpusFactory | None = None


@dataclass(frozen=True, kw_only=True)
class OptimizerKeys:
    """Keys that the core reads in every optimizer section.

    Args:
        clip_norm: scale gradients so that their global L2 norm is at most this; null: never.
    """

    clip_norm: Annotated[float, Gt(0), Finite()] | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """How token ids become inputs of the cell, and its outputs logits.

    Args:
        embedding: what maps ids to vectors; a number is the size of a learned embedding.
        dropout: share of an embedding that is not one-hot, of what goes from layer to layer, and of
            the last outputs that is zeroed in training; or a mapping with a share for each.
        tie_weights: use the embedding's weight in the head too.
        layers: how many of the cell are stacked.
        residual: add the inputs of each layer to its outputs.
        norm: what normalises the inputs of each layer and of the head; null: nothing.
        head: what maps hidden outputs to logits.
        bidirectional: read each window in both directions, with a cell for each; for objectives
            that do not predict the next token.
        initial: initial weights by names; a mapping, or a list of these: a later one counts.
    """

    embedding: Count | EmbeddingFactory = _ONE_HOT
    dropout: Share | Dropout = 0.0
    tie_weights: bool = False
    layers: Layers = 1
    residual: bool = False
    norm: Literal["layer", "rms"] | None = None
    head: HeadFactory = field(default=_LINEAR, metadata=LATER)
    bidirectional: bool = field(default=False, metadata=LATER)
    initial: Initial | list[Initial] = field(default_factory=list, metadata=LATER)

    @property
    def dropouts(self) -> Dropout:
        """The share of each place."""
        if isinstance(self.dropout, Dropout):
            return self.dropout
        share = self.dropout
        return Dropout(embedding=share, layers=share, outputs=share)

    @property
    def initials(self) -> list[Initial]:
        return [self.initial] if isinstance(self.initial, Initial) else self.initial


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Besides the last and the best one.

    Args:
        every: a number of steps, or such as '2 epochs' or '10 minutes'; null: only at the end.
        keep: how many of the latest are kept; the best on the evaluated split is kept besides.
    """

    every: Every | None = "10 minutes"
    keep: LargeCount = 2


@dataclass(frozen=True, kw_only=True)
class Stop:
    """When a run ends early.

    Args:
        metric: which number of the rows in `metrics.jsonl` is watched.
        split: in which rows; `train` has one for each epoch, others one for each evaluation.
        patience: end after this many rows without a better one.
        min_delta: how much better is better.
        target: end when the metric is as good as this.
    """

    metric: Literal["loss", "perplexity", "bits_per_character", "accuracy"] = "loss"
    split: str = "valid"
    patience: LargeCount | None = None
    min_delta: Annotated[float, Ge(0), Finite()] = 0.0
    target: Annotated[float, Finite()] | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A split that is scored while training.

    Args:
        every: a number of steps, or such as '2 epochs' or '10 minutes'.
        split: which split; `corpus.holdout` makes one.
        documents: start each one with a fresh state, and never score its first token (fresh), or
            read the split as one text (carried); null: as the sampler trains them.
        rows: into how many streams the split is cut; part of what the number means, but where
            documents are fresh.
        window: tokens that are scored at once; changes the memory needed and no number, but where
            cells read ahead.
        metrics: more numbers from the same pass.
        methods: further passes, each of which scores the split in a way of its own.
    """

    every: Every = "1 epoch"
    split: Annotated[str, Check(_not_test)] = "valid"
    documents: Literal["fresh", "carried"] | None = None
    rows: Count = 16
    window: Annotated[int, Gt(0), Le(2**24)] = 128
    metrics: list[MetricFactory] = field(default_factory=list, metadata=LATER)
    methods: list[EvaluationMethodFactory] = field(default_factory=list, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class InitFrom:
    """A run to begin with.

    Args:
        run: a folder, a name (its latest run), a tag, the beginning of an id, or `latest`.
        take: all of it, which must then fit; or what fits, by name and shape, and by token.
        new_tokens: what tokens begin with that it lacks: `fresh` weights, or the `mean` of its own.
    """

    run: Annotated[str, MinLen(1)]
    take: Literal["all", "fitting"] = "all"
    new_tokens: Literal["fresh", "mean"] = field(default="fresh", metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long to train, and from which random numbers.

    Args:
        epochs: how many times the sampler's epoch is trained; 0 leaves the model untrained.
        steps: stop after this many optimizer steps instead.
        seed: the number that everything random is derived from.
        device: auto, cpu, cuda or cuda:N.
        accumulate: how many batches make one optimizer step.
        shards: into how many groups of rows each batch is cut, a power of two. Each has its own
            random numbers, and their gradients are added in one fixed order, so that a run has the
            same bits on as many processes as divide it; another number is another run.
        threads: of each process on a CPU, on which last bits depend; null: as torch decides, or,
            with several processes, an equal share of the machine's.
        sharding: `parameters` gives each process a share of weights, gradients and optimizer state,
            which are gathered layer by layer; null: every process has all of them.
        precision: float32, bfloat16 where that loses little (autocast), or auto: bfloat16 where
            the device computes in it.
        compile: let torch compile the model; takes a while before the first step.
        cuda_graphs: on a GPU, record what a step launches, and replay it; for models that bring
            nothing to the GPU in a step and read nothing back.
        activation_checkpointing: keep of each layer its inputs alone and compute it again for its
            gradients: less memory, more time, the same bits.
        deterministic: refuse operations that may give other bits in another run.
        max_minutes: end after this long, resumed time counted too.
        average: decay of a running average of the weights, which is what is evaluated, generated
            from and saved as the model; null: none.
        checkpoint: how often the run is saved, and how many of these are kept.
        stop: end early; see the keys.
        on_nonfinite: what happens to a step whose loss or gradient is not finite: stop the run,
            or skip the step and start the state afresh.
        init_from: a run whose weights and vocabulary this one begins with; with
            `take: fitting`, with the weights that fit.
        frozen: patterns of the names of parameters that are not trained, such as `embedding.*`.
    """

    epochs: Annotated[int, Ge(0), Le(2**40)] | None = None
    steps: Annotated[int, Ge(0), Le(2**40)] | None = None
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    device: Annotated[str, Check(_device_name)] = "auto"
    accumulate: Count = 1
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    compile: bool = False
    cuda_graphs: bool = False
    deterministic: bool = False
    max_minutes: Annotated[float, Gt(0), Finite()] | None = None
    average: Annotated[float, Gt(0), Lt(1)] | None = None
    checkpoint: Checkpoints = field(default_factory=lambda: Checkpoints())
    stop: Stop | None = None
    on_nonfinite: Literal["stop", "skip"] = "stop"
    init_from: str | InitFrom | None = None
    frozen: list[Pattern] = field(default_factory=list, metadata=LATER)
    activation_checkpointing: bool = field(default=False, metadata=LATER)
    threads: Annotated[int, Gt(0), Le(1024)] | None = field(default=None, metadata=LATER)
    shards: Shards = field(default=1, metadata=LATER)
    sharding: Literal["parameters"] | None = field(default=None, metadata=LATER)

    @property
    def initial(self) -> InitFrom | None:
        """The run in `init_from`, and what is taken of it."""
        return InitFrom(run=self.init_from) if isinstance(self.init_from, str) else self.init_from


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Text that is generated while training.

    Args:
        prefixes: what each sample begins with.
        length: how many tokens are generated after each prefix.
        every: epochs between two rounds of samples; the last epoch always has one.
        at_start: also show what the untrained model says.
    """

    prefixes: list[Annotated[str, MinLen(1)]]
    length: Length = 50
    every: LargeCount = 1
    at_start: bool = False


CORE_SECTIONS: dict[str, type] = {
    "model": Model,
    "train": Train,
    "evaluation": Evaluation,
    "samples": Samples,
}
OPTIONAL_SECTIONS = ("evaluation", "samples")
