"""All numbers of one evaluation: the loss, further metrics, and methods that score differently.

Shapes: B rows, T window.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Batch, EvaluationMethod
from seqlab.data.tokens import Tokens, on_device
from seqlab.distributed.tree import tree_sum
from seqlab.distributed.world import ALONE, Partial, World, shards_of
from seqlab.errors import PluginError
from seqlab.experiment.sections import Evaluation
from seqlab.model.language_model import LanguageModel
from seqlab.records import MEASURED
from seqlab.registry.binding import Bound
from seqlab.training.evaluation import Group, batches_of, evaluate
from seqlab.training.loss import perplexity
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.objective import ModelObjective


def measure(
    model: LanguageModel,
    tokens: Tokens,
    sizes: TokenSizes,
    settings: Evaluation,
    *,
    fresh: bool,
    batch_size: int | None = None,
    precision: torch.dtype = torch.float32,
    shards: int = 1,
    world: World = ALONE,
    training: Callable[[], Tokens] | None = None,
) -> dict[str, Any]:
    """Score a split, and return the metrics as fields of a record.

    Args:
        model: the model; its weights stay as they are, whatever a method does to them.
        tokens: the split.
        sizes: of every token, for bits per character and byte.
        settings: the section `evaluation`.
        fresh: whether each document starts with a fresh state.
        batch_size: the number of streams that are scored at once; None: all.
        precision: of the model's computations.
        shards: into how many groups the streams are cut, each of which is scored by itself.
        world: the processes, which score some of them each. Metrics and methods are the first
            one's alone, and with a metric the whole pass.
        training: returns the training split, for methods that ask for it.

    Raises:
        CorpusError: there is nothing to score.
        PluginError: a metric or a method does not keep its promise.
    """
    start = time.perf_counter()
    built = [metric() for metric in settings.metrics]
    score = partial(
        evaluate,
        model,
        tokens,
        sizes,
        rows=settings.rows,
        fresh=fresh,
        batch_size=batch_size,
        window=settings.window,
        precision=precision,
        metrics=built,
    )
    if built:
        if world.rank:
            return {}
        sums = score()
    else:
        sums = _added(score, shards, world)
        if world.rank:
            return {}
    further: list[Mapping[str, float | None]] = [metric.compute() for metric in built]
    seconds = time.perf_counter() - start  # of the pass that the tokens are counted in
    for name, method in _named(settings.methods):
        batches = batches_of(tokens, settings.rows, fresh, batch_size, settings.window)
        made = partial(method) if training is None else partial(method, training=training)
        with method.attributed():
            loss = _loss(model, made(), (batch for _, batch in batches), name)
        further.append({f"{name}_loss": loss, f"{name}_perplexity": perplexity(loss)})
    columns = ModelObjective(model).columns
    fields = sums.metrics(columns, seconds=seconds, accuracy=tokens.weights is not None)
    for numbers in further:
        _add(fields, numbers)
    return fields


def _added(score: Callable[..., Sums], shards: int, world: World) -> Sums:
    """Score the groups of this process, and add those of all as the gradients of shards are."""
    own = [score(group=Group(number, shards)).values for number in shards_of(world, shards)]
    total = tree_sum(own, Tensor.add).clone()  # those of an evaluation cannot be added to
    return Sums(world.sum(Partial((), total)).message)


def further_columns(settings: Evaluation | None) -> list[str]:
    """Return the columns of metrics and methods, which evaluations alone have.

    Raises:
        ValueError: two have one name, or one has that of a column that every row has.
    """
    if settings is None:
        return []
    names = [name for metric in settings.metrics for name in metric().names]
    for method, _ in _named(settings.methods):
        names += [f"{method}_loss", f"{method}_perplexity"]
    taken = {*MEASURED} - {"accuracy"}
    if wrong := [n for n in names if n in taken or names.count(n) > 1 or not n.isidentifier()]:
        twice = names.count(wrong[0]) > 1
        problem = "is measured twice" if twice else "is no name for a column of its own"
        raise ValueError(f"'{wrong[0]}' {problem}")
    return names


def _named(methods: Sequence[Any]) -> Iterator[tuple[str, Bound]]:
    """Name the columns of each method by its component; several of one are numbered."""
    seen: Counter[str] = Counter()
    for method in methods:
        name = method.component.name
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}", method


def _add(fields: dict[str, Any], numbers: Mapping[str, Any]) -> None:
    """Add numbers to a row: each is a column of its own, or fills one that is empty."""
    for name, value in numbers.items():
        if name not in fields:
            fields["parts"][name] = value
        elif fields[name] is None:
            fields[name] = value


def _loss(
    model: LanguageModel, method: EvaluationMethod, batches: Iterator[Batch], name: str
) -> float:
    """Return the mean nats of a method's own pass; the model is as before afterwards."""
    total = weight = 0.0
    given: list[Batch] = []

    def watched() -> Iterator[Batch]:
        for batch in batches:
            batch = on_device(batch, model.device)
            given.append(batch)
            yield batch

    with _restored(model):
        for nats in method.nats(model, watched()):
            batch = given.pop(0)
            _check(nats, batch, name)
            counts = torch.ones_like(nats) if batch.weights is None else batch.weights
            total += float((nats.detach().double() * counts).sum())
            weight += float(counts.double().sum())
    if given or next(batches, None) is not None:
        raise PluginError(f"method '{name}' should yield nats for every batch; it left some out")
    return total / weight if weight else math.nan


def _check(nats: Any, batch: Batch, name: str) -> None:
    shape = tuple(batch.targets.shape)
    if not isinstance(nats, Tensor) or tuple(nats.shape) != shape:
        raise PluginError(f"method '{name}' should yield nats of the shape {shape} for this batch")


@contextmanager
def _restored(model: LanguageModel) -> Iterator[None]:
    """Give the model back as it was: weights, buffers, gradients and modes."""
    kept = {key: value.detach().clone() for key, value in model.state_dict().items()}
    before = _hash_of(kept)
    needed = [parameter.requires_grad for parameter in model.parameters()]
    model.eval()
    try:
        with torch.enable_grad():
            yield
    finally:
        model.load_state_dict(kept)
        for parameter, needs in zip(model.parameters(), needed, strict=True):
            parameter.grad = None
            parameter.requires_grad_(needs)
        model.eval()
        if _hash_of(model.state_dict()) != before:
            raise PluginError("a method of evaluation has changed the model beyond repair")


def _hash_of(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(name.encode() + bytes(data.numpy()))
    return digest.hexdigest()
