"""What is refused of built parts before there is a run folder, and before the first step."""

from __future__ import annotations

import numpy as np
from torch.optim import Optimizer

from seqlab.contracts import Batch, offered
from seqlab.data.tokens import Tokens
from seqlab.distributed.world import World
from seqlab.errors import Complaint, ExperimentError, UsageError
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Resolved
from seqlab.remedies import Argument
from seqlab.training.measuring import further_columns
from seqlab.training.objective import ModelObjective

NO_WEIGHTS = (
    "needs a corpus that says which tokens count, such as `jsonl` with `text: {prompt: …,"
    " completion: …}`; in this one all count alike"
)


def check_average(resolved: Resolved, optimizer: Optimizer) -> None:
    """Refuse `train.average` beside an optimizer that averages."""
    if resolved.train.average is not None and offered(optimizer, "eval") is not None:
        message = f"{resolved.optimizer.component.label} averages weights itself; leave this out"
        raise ExperimentError([resolved.complaint(message, "train", "average")])


def check_evaluated(resolved: Resolved, optimizer: Optimizer) -> None:
    """Refuse an optimizer that waits for evaluations where there are none."""
    if resolved.evaluation is None and offered(optimizer, "evaluated") is not None:
        label = resolved.optimizer.component.label
        message = f"{label} waits for the loss of evaluations; add a section `evaluation`"
        raise ExperimentError([resolved.complaint(message, "optimizer")])


def check_settings(resolved: Resolved) -> None:
    """Refuse settings that do not go together, whatever the parts are."""
    _check_recomputing(resolved)
    _check_columns(resolved)
    _check_new_tokens(resolved)


def _check_recomputing(resolved: Resolved) -> None:
    """Refuse `train.activation_checkpointing` beside what records or compiles a step."""
    train = resolved.train
    beside = [key for key in ("compile", "cuda_graphs") if getattr(train, key)]
    if train.activation_checkpointing and beside:
        message = f"does not go with train.{beside[0]}; leave one of them out"
        raise ExperimentError([resolved.complaint(message, "train", "activation_checkpointing")])


def _check_new_tokens(resolved: Resolved) -> None:
    """Refuse words on new tokens where there can be none."""
    initial = resolved.train.initial
    if initial and initial.take == "all" and initial.new_tokens != "fresh":
        message = "there are none where the vocabulary is taken too; add `take: fitting`"
        raise ExperimentError([resolved.complaint(message, "train", "init_from", "new_tokens")])


def _check_columns(resolved: Resolved) -> None:
    """Refuse metrics and methods that measure a number twice."""
    try:
        further_columns(resolved.evaluation)
    except ValueError as error:
        raise ExperimentError([resolved.complaint(str(error), "evaluation", "metrics")]) from None


def check_rows(world: World, batch: Batch) -> None:
    """Raise UsageError where some processes of a run would have no row of any batch."""
    if world.size > len(batch.inputs):
        raise UsageError(
            f"{Argument('workers')}: {world.size} is more than the {len(batch.inputs)} rows of a"
            " batch (sampler.batch_size)"
        )


def check_objective(resolved: Resolved, model: LanguageModel, batch: Batch, tokens: Tokens) -> None:
    """Raise the errors of an objective before the first step."""
    bound, begin = resolved.objective, offered(model.objective, "before_training")
    with bound.attributed():
        try:
            if offered(model.objective, "needs_weights") and tokens.weights is None:
                raise ValueError(NO_WEIGHTS)
            if begin is not None:
                begin()
        except ValueError as error:
            raise ExperimentError([Complaint(bound.where, bound.key, str(error))]) from error
        objective = ModelObjective(model)
        if objective.prepare is not None:
            objective.prepared(batch, np.zeros(tuple(batch.inputs.shape)))
