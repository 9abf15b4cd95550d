"""A resolved experiment in -> every part of a run, each built once."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seqlab.contracts import Cell, Decoder, Sampler, SearchDecoder, Tokenizer
from seqlab.data.preparation import Prepared, prepare
from seqlab.data.progress import Progress
from seqlab.data.tokens import Tokens
from seqlab.errors import (
    CheckpointError,
    Complaint,
    CorpusError,
    ExperimentError,
    PluginError,
    RunFailed,
)
from seqlab.model.language_model import LanguageModel
from seqlab.model.outline import Outline
from seqlab.randomness import derive, reseed
from seqlab.registry import Bound, Resolved
from seqlab.runs.memory_errors import expect_room, model_sizes, name_what_is_too_large
from seqlab.training.device import pick_device
from seqlab.training.eager_optimizers import spare_compiler
from seqlab.training.evaluation import check_scorable
from seqlab.training.loop import Training, wants_metric
from seqlab.training.metrics import TokenSizes

log = logging.getLogger(__name__)

Weights: TypeAlias = Mapping[str, Tensor] | None


class DifferentModel(CheckpointError):
    """Weights are of a model that this one is not."""


@dataclass(frozen=True)
class Parts:
    """What a run is made of.

    `evaluated` is the split that is scored while training, if any; `total_steps` how many
    optimizer steps the experiment asks for.
    """

    prepared: Prepared
    evaluated: Tokens | None
    sampler: Sampler
    model: LanguageModel
    schedule: LRScheduler
    decoder: Decoder | SearchDecoder
    training: Training
    sizes: TokenSizes
    total_steps: int


def build(
    resolved: Resolved,
    tokenizer: Tokenizer | None = None,
    weights: Weights = None,
    progress: Progress | None = None,
    fingerprint: str | None = None,
    fitting: Weights = None,
) -> Parts:
    """Open the corpus, fit the tokenizer, and build everything that stands on them.

    Args:
        resolved: the experiment.
        tokenizer: one that has its vocabulary, to take instead of fitting one.
        weights: a model's state_dict, to begin with.
        progress: is told how far reading the corpus has come.
        fingerprint: what that of the corpus must be; None: anything.
        fitting: weights that the model will be given later.

    Raises:
        SeqlabError: the first part that cannot be built says why.
    """
    train = resolved.train
    device = pick_device(train.device)
    known = weights if weights is not None else fitting
    if tokenizer is not None and known is not None:
        expect_fit(resolved, tokenizer.size, known, str(train.init_from or "the checkpoint"))
    prepared = prepare(resolved, tokenizer, progress, fingerprint)
    evaluated = _evaluated(resolved, prepared)
    sampler: Sampler = resolved.sampler.build(prepared.tokens, train.seed)
    if laid_out := outline(resolved, prepared.tokenizer.size):
        expect_room(resolved, laid_out, prepared.tokenizer.size)
    model = build_model(resolved, prepared.tokenizer.size, device)
    if weights is not None:
        load_weights(model, weights, str(train.init_from))
    spare_compiler()
    optimizer = resolved.optimizer.build(list(model.named_parameters()))
    _expect(optimizer, Optimizer, resolved.optimizer)
    total_steps = count_steps(resolved, sampler)
    if len(sampler):
        with resolved.sampler.blamed():
            sampler.batch(0, 0)  # what is wrong with it is told before the first step
    for said in _idle(resolved, sampler, device):
        log.warning(said)
    schedule = resolved.schedule.build(optimizer, total_steps)
    _expect(schedule, LRScheduler, resolved.schedule)
    if wants_metric(schedule) and resolved.evaluation is None:
        message = "wants the loss of evaluations; add a section `evaluation`"
        raise ExperimentError([Complaint(resolved.schedule.where, "schedule", message)])
    if train.stop and train.stop.metric == "accuracy" and not _has_accuracy(evaluated):
        message = "accuracy is measured where a corpus sets weights; this one sets none"
        raise ExperimentError([resolved.complaint(message, "train", "stop", "metric")])
    if train.stop and train.stop.metric == "bits_per_character" and not _has_text(prepared):
        message = f"tokenizer '{resolved.tokenizer.component.name}' has ids without text: no bits"
        raise ExperimentError([resolved.complaint(message, "train", "stop", "metric")])
    sizes = TokenSizes.of(prepared.tokenizer, device)
    clip_norm = resolved.optimizer_keys.clip_norm
    training = Training(
        model, sampler, optimizer, schedule, sizes=sizes, clip_norm=clip_norm, settings=train
    )
    return Parts(
        prepared=prepared,
        evaluated=evaluated,
        sampler=sampler,
        model=model,
        schedule=schedule,
        decoder=resolved.decoder.build(),
        training=training,
        sizes=sizes,
        total_steps=total_steps,
    )


def _evaluated(resolved: Resolved, prepared: Prepared) -> Tokens | None:
    """The split that is scored while training."""
    if resolved.evaluation is None:
        return None
    split = resolved.evaluation.split
    try:
        prepared.source.check(split)
    except CorpusError as error:
        raise CorpusError(str(resolved.complaint(str(error), "evaluation", "split"))) from None
    tokens = prepared.split(split)
    check_scorable(tokens, split, fresh=resolved.fresh_documents)
    return tokens


def _idle(resolved: Resolved, sampler: Sampler, device: torch.device) -> Iterator[str]:
    """Settings that do nothing with this text, on this machine."""
    train, batches = resolved.train, len(sampler)
    if train.accumulate > batches > 0:
        yield (
            f"train.accumulate is {train.accumulate:,}, and an epoch has {batches:,} batches: no"
            " step has more than those"
        )
    if train.cuda_graphs and device.type != "cuda":
        yield f"train.cuda_graphs does nothing on {device.type}"


def _has_accuracy(tokens: Tokens | None) -> bool:
    return tokens is not None and tokens.weights is not None


def _has_text(prepared: Prepared) -> bool:
    return bool(getattr(prepared.tokenizer, "has_text", True))


def load_weights(model: LanguageModel, weights: Mapping[str, Tensor], where: str) -> None:
    """Give a model the weights of a checkpoint.

    Raises:
        DifferentModel: they are another model's.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        said = "; ".join(_misfits(model.state_dict(), weights)) or " ".join(str(error).split())
        raise _other_model(where, said) from None


def expect_fit(
    resolved: Resolved, vocabulary: int, weights: Mapping[str, Tensor], where: str
) -> None:
    """See to it that weights are of this model, before room is made for one that may be huge.

    Raises:
        DifferentModel: they are another model's.
    """
    model = outline(resolved, vocabulary)
    if model and (said := "; ".join(_misfits(model.state_dict(), weights))):
        raise _other_model(where, said)


def outline(resolved: Resolved, vocabulary: int) -> LanguageModel | None:
    """Lay a model out without room for its numbers; None: its cell cannot be.

    Raises:
        ExperimentError: its parts do not fit each other, or one refuses its options.
        RunFailed: sizes are beyond what can be counted.
    """
    try:
        with Outline():
            return _model(resolved, vocabulary)
    except (ExperimentError, RunFailed):
        raise
    except Exception:  # a cell that writes numbers of its own is tried when it has room
        return None


def _other_model(where: str, said: str) -> DifferentModel:
    return DifferentModel(f"{where}: the weights do not fit this model: {said}")


def _misfits(here: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> Iterator[str]:
    """The first weight that does not fit, and how many more there are."""
    now, before = (
        {name: tuple(w.shape) for name, w in one.items() if isinstance(w, Tensor)}
        for one in (here, there)
    )
    names = dict.fromkeys([*now, *before])
    differ = [name for name in names if now.get(name) != before.get(name)]
    for name in differ[:1]:
        yield f"{name} was {before.get(name, 'not there')} and is {now.get(name, 'not there')}"
    if len(differ) > 1:
        yield f"and {len(differ) - 1} others"


def build_model(resolved: Resolved, vocabulary: int, device: torch.device) -> LanguageModel:
    """Build the model with the weights that the seed gives it."""
    reseed(derive(resolved.train.seed, "weights"), torch.device("cpu"))
    with name_what_is_too_large(resolved, model_sizes(resolved, vocabulary), "the model"):
        return _model(resolved, vocabulary).to(device)


def _model(resolved: Resolved, vocabulary: int) -> LanguageModel:
    with name_what_is_too_large(resolved, model_sizes(resolved, vocabulary), "the model"):
        return LanguageModel(
            vocabulary, lambda size: _build_cell(resolved.cell, size), resolved.model
        )


def count_steps(resolved: Resolved, sampler: Sampler) -> int:
    """How many optimizer steps the experiment asks for."""
    train = resolved.train
    if train.steps is not None:
        return train.steps
    return (train.epochs or 0) * -(-len(sampler) // train.accumulate)


def _expect(part: Any, kind: type, bound: Bound) -> None:
    if not isinstance(part, kind):
        raise PluginError(
            f"{bound.component} should be a {kind.__name__}; it is a {type(part).__name__}"
        )


def _build_cell(bound: Bound, input_size: int) -> Cell:
    cell = bound.build(input_size)
    _expect(cell, nn.Module, bound)
    if not isinstance(getattr(cell, "output_size", None), int):
        raise PluginError(f"{bound.component} should have an integer `output_size`")
    try:
        if type(cell).forward is nn.Module.forward:
            raise TypeError("it has none")
        inspect.signature(cell.forward).bind("inputs", "state")
    except TypeError as error:
        message = f"{bound.component} should have forward(inputs, state): {error}"
        raise PluginError(message) from None

    return cast("Cell", cell)
