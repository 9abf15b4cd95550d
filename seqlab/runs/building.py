"""Build every part of a run from a resolved experiment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from seqlab.contracts import Decoder, Sampler, SearchDecoder, Tokenizer
from seqlab.data.preparation import Prepared, prepare
from seqlab.data.progress import Progress, log_progress
from seqlab.data.splits import Source
from seqlab.data.tokens import Tokens
from seqlab.distributed.world import ALONE, World
from seqlab.errors import (
    CheckpointError,
    Complaint,
    CorpusError,
    ExperimentError,
    RunFailed,
)
from seqlab.kernels import requested_kernels
from seqlab.model.language_model import LanguageModel
from seqlab.model.outline import Outline
from seqlab.randomness import derive, reseed
from seqlab.registry import Resolved
from seqlab.runs.early_checks import (
    check_average,
    check_evaluated,
    check_objective,
    check_rows,
    check_settings,
)
from seqlab.runs.error_messages import check_memory, memory_errors, model_sizes
from seqlab.runs.freezing import freeze, log_frozen
from seqlab.runs.initialising import initialise_as_asked
from seqlab.runs.sharding import laid_out
from seqlab.training.device import pick_device
from seqlab.training.eager_optimizers import spare_compiler
from seqlab.training.epochs import Epochs
from seqlab.training.evaluation import check_scorable
from seqlab.training.loop import Training
from seqlab.training.metrics import TokenSizes, has_text
from seqlab.training.schedules import wants_metric
from seqlab.vocabulary import Vocabulary

log = logging.getLogger(__name__)

Weights: TypeAlias = Mapping[str, Tensor] | None
Begin: TypeAlias = Callable[[LanguageModel, Tokenizer], dict[str, Any]]
"""Gives a model its initial weights, and returns what is to be noted about them."""


class DifferentModel(CheckpointError):
    """The weights belong to another model."""


@dataclass(frozen=True)
class Parts:
    """The parts of a run.

    `model` is what is evaluated and saved; `evaluated` is the split that is scored while training,
    if any; `begun` is what is known of the initial weights if they are those of another run that
    fit.
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
    begun: dict[str, Any] | None = None


def build(
    resolved: Resolved,
    tokenizer: Tokenizer | None = None,
    weights: Weights = None,
    progress: Progress | None = None,
    fingerprint: str | None = None,
    later_weights: Weights = None,
    begin: Begin | None = None,
    world: World = ALONE,
) -> Parts:
    """Open the corpus, fit the tokenizer, and build everything else.

    Args:
        resolved: the experiment.
        tokenizer: a fitted one, instead of fitting one.
        weights: initial weights of the model.
        progress: reports what is built, and how much of the corpus is read; None: to the log.
        fingerprint: the expected fingerprint of the corpus; None: any.
        later_weights: weights that will be loaded into the model, checked here.
        begin: gives the model its initial weights.
        world: the processes of the run.

    Raises:
        SeqlabError: a part cannot be built.
    """
    train = resolved.train
    requested_kernels()  # a misspelt switch is refused before there is a run folder
    device = pick_device(train.device, world.local_rank)
    checked = weights if weights is not None else later_weights
    where = train.initial.run if train.initial and weights is not None else "the checkpoint"
    if tokenizer is not None and checked is not None:
        check_weights(resolved, Vocabulary.of(tokenizer), checked, where)
    progress = progress or log_progress()
    prepared = prepare(resolved, tokenizer, progress, fingerprint)
    vocabulary = prepared.vocabulary
    evaluated = _evaluated(resolved, prepared)
    progress("Building the model", 0, None)
    sampler: Sampler = resolved.sampler.build(prepared.tokens, train.seed)
    if model_outline := outline(resolved, vocabulary):
        check_memory(resolved, model_outline, vocabulary)
    model = build_model(resolved, vocabulary, device)
    model.layers.recomputed = train.activation_checkpointing
    if weights is not None:
        load_weights(model, weights, where)
    begun = begin(model, prepared.tokenizer) if begin else None
    log_frozen(model, freeze(resolved, model))
    spare_compiler()
    if len(sampler):
        with resolved.sampler.attributed():
            batch = sampler.batch(0, 0)  # raises its errors before the first step
        check_rows(world, batch)
        check_objective(resolved, model, batch, prepared.tokens)
    layout = laid_out(resolved, model, world)
    trained = [(n, p) for n, p in layout.model.named_parameters() if p.requires_grad]
    optimizer = resolved.optimizer.build(trained)
    check_average(resolved, optimizer)
    check_evaluated(resolved, optimizer)
    total_steps = count_steps(resolved, sampler)
    check_settings(resolved)
    for warning in _unused_settings(resolved, len(sampler), device):
        log.warning(warning)
    epochs = Epochs(sampler, train.accumulate)
    epoch_of = lambda step: epochs.place(step)[0]  # noqa: E731 # it is an argument
    schedule = resolved.schedule.build(optimizer, total_steps, epoch_of=epoch_of)
    if wants_metric(schedule) and resolved.evaluation is None:
        message = "needs the loss of evaluations; add a section `evaluation`"
        raise ExperimentError([Complaint(resolved.schedule.where, "schedule", message)])
    if problem := _metric_problem(resolved, evaluated, prepared.tokenizer):
        raise ExperimentError([resolved.complaint(problem, "train", "stop", "metric")])
    sizes = TokenSizes.of(prepared.tokenizer, device)
    clip_norm = resolved.optimizer_keys.clip_norm
    training = Training(
        layout.model,
        sampler,
        optimizer,
        schedule,
        sizes=sizes,
        clip_norm=clip_norm,
        settings=train,
        world=world,
        layout=layout,
    )
    return Parts(
        prepared=prepared,
        evaluated=evaluated,
        sampler=sampler,
        model=model,
        schedule=schedule,
        decoder=resolved.decoder.build(tokenizer=prepared.tokenizer),
        training=training,
        sizes=sizes,
        total_steps=total_steps,
        begun=begun,
    )


def _evaluated(resolved: Resolved, prepared: Prepared) -> Tokens | None:
    """Return the split to score while training; None: there is none."""
    if resolved.evaluation is None:
        return None
    split = resolved.evaluation.split
    check_split(resolved, prepared.source, split)
    tokens = prepared.split(split)
    check_scorable(tokens, split, fresh=resolved.fresh_documents)
    return tokens


def check_split(resolved: Resolved, source: Source, split: str) -> None:
    """Check that the corpus has the split of the section `evaluation`."""
    try:
        source.check(split)
    except CorpusError as error:
        raise CorpusError(str(resolved.complaint(str(error), "evaluation", "split"))) from None


def _unused_settings(resolved: Resolved, batches: int, device: torch.device) -> Iterator[str]:
    train = resolved.train
    if train.accumulate > batches > 0:
        yield (
            f"train.accumulate is {train.accumulate:,}, but an epoch has only {batches:,} batches,"
            " so each step has these"
        )
    if train.cuda_graphs and device.type != "cuda":
        yield f"train.cuda_graphs does nothing on {device.type}"


def _metric_problem(resolved: Resolved, evaluated: Tokens | None, tokenizer: Tokenizer) -> str:
    """Say why the metric of `train.stop` is never measured; empty: it is."""
    metric = resolved.train.stop and resolved.train.stop.metric
    if metric == "accuracy" and (evaluated is None or evaluated.weights is None):
        return "accuracy is measured only where a corpus sets weights; this one sets none"
    if metric == "bits_per_character" and not has_text(tokenizer):
        return f"{resolved.tokenizer.component.label} has ids without text, so no characters"
    return ""


def load_weights(model: LanguageModel, weights: Mapping[str, Tensor], where: str) -> None:
    """Load the weights of a checkpoint; raise DifferentModel if they do not fit."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        problem = _difference(model.state_dict(), weights) or " ".join(str(error).split())
        raise DifferentModel(f"{where}: the weights do not fit this model: {problem}") from None


def check_weights(
    resolved: Resolved, vocabulary: Vocabulary, weights: Mapping[str, Tensor], where: str
) -> None:
    """Raise DifferentModel unless weights fit, before memory is allocated for the model."""
    model = outline(resolved, vocabulary)
    if model and (problem := _difference(model.state_dict(), weights)):
        raise DifferentModel(f"{where}: the weights do not fit this model: {problem}")


def outline(resolved: Resolved, vocabulary: Vocabulary) -> LanguageModel | None:
    """Build a model without memory for its numbers; None: its cell does not allow that.

    Raises:
        ExperimentError: its parts do not fit together, or one refuses its options.
        RunFailed: a size overflows.
    """
    try:
        with Outline():
            return _model(resolved, vocabulary)
    except (ExperimentError, RunFailed):
        raise
    except Exception:  # a cell may compute with its new weights; its errors are shown later
        return None


def _difference(model: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> str:
    """Name the first weight whose shape differs, and the number of further ones."""
    now, before = (
        {
            name: tuple(weight.shape)
            for name, weight in weights.items()
            if isinstance(weight, Tensor)
        }
        for weights in (model, saved)
    )
    names = [name for name in {**now, **before} if now.get(name) != before.get(name)]
    if not names:
        return ""
    was, is_now = (shapes.get(names[0], "missing") for shapes in (before, now))
    rest = f"; and {len(names) - 1} others" if len(names) > 1 else ""
    return f"{names[0]} was {was} and is {is_now}{rest}"


def build_model(resolved: Resolved, vocabulary: Vocabulary, device: torch.device) -> LanguageModel:
    """Build the model with initial weights from the seed."""
    reseed(derive(resolved.train.seed, "weights"), torch.device("cpu"))
    with memory_errors(resolved, model_sizes(resolved, vocabulary), "the model"):
        model = _model(resolved, vocabulary)
        initialise_as_asked(resolved, model)
        return model.to(device)


def _model(resolved: Resolved, vocabulary: Vocabulary) -> LanguageModel:
    with memory_errors(resolved, model_sizes(resolved, vocabulary), "the model"):
        return LanguageModel(
            vocabulary,
            resolved.model,
            embedding=resolved.embedding.build,
            cell=resolved.cell.build,
            head=resolved.head.build,
            objective=resolved.objective.build,
        )


def count_steps(resolved: Resolved, sampler: Sampler) -> int:
    """Return the number of optimizer steps of the experiment."""
    train = resolved.train
    if train.steps is not None:
        return train.steps
    return Epochs(sampler, train.accumulate).steps_before(train.epochs or 0)
