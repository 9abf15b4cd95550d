"""What is known of an experiment or a run without training it: its sizes and its costs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from seqlab.data.progress import Progress
from seqlab.data.tokens import Tokens
from seqlab.errors import CorpusError
from seqlab.packing import pack
from seqlab.registry import Resolved
from seqlab.runs.building import Parts, build
from seqlab.runs.costs import (
    generation_cost,
    part_costs,
    state_bytes,
    tensor_bytes,
    trained_one_row,
)
from seqlab.runs.loaded_run import Run
from seqlab.training.epochs import Epochs
from seqlab.training.loop import Training
from seqlab.training.saved_steps import checkpoint_path, steps_saved

Facts = dict[str, Any]


def facts_of_experiment(resolved: Resolved, progress: Progress | None = None) -> Facts:
    """Return the sizes and costs of an experiment. Its corpus is read, nothing is trained for long.

    The keys are `name`, `parameters`, `trained`, `bytes` (of all parameters), `parts` (a list, with
    the same of each), `vocabulary`, `state_bytes_per_row`, `multiply_adds_per_token` (`forward`,
    `backward`, `generation`), `tokens`, `store_bytes`, `steps_per_epoch`, `total_steps` and
    `checkpoint_bytes`; None: it is not known.

    Raises:
        SeqlabError: a part cannot be built.
    """
    parts = build(_on_a_cpu(resolved), progress=progress)
    return _facts(resolved, parts)


def facts_of_run(run: Run, progress: Progress | None = None) -> Facts:
    """Return the same of a run; without its text, what it recorded, and no costs of training.

    Raises:
        SeqlabError: it cannot be opened.
    """
    if not steps_saved(run.folder.checkpoints):
        return facts_of_experiment(run.resolved, progress)
    try:
        parts = build(_on_a_cpu(run.resolved), run.tokenizer, progress=progress)
        facts = _facts(run.resolved, parts)
    except CorpusError:
        facts = _facts_without_text(run)
    saved = checkpoint_path(run.folder.checkpoints, run.checkpoint.step)
    size = sum(file.stat().st_size for file in saved.iterdir())
    return facts | {"checkpoint_bytes": size}


def _on_a_cpu(resolved: Resolved) -> Resolved:
    """The same experiment where it can be counted, and without what a GPU alone does."""
    train = replace(resolved.train, device="cpu", cuda_graphs=False, compile=False)
    return replace(resolved, train=train)


def _facts(resolved: Resolved, parts: Parts) -> Facts:
    state = state_bytes(parts.model)
    facts = _of_model(resolved.name, parts.model) | {"state_bytes_per_row": state}
    tokens = parts.prepared.tokens
    epochs = Epochs(parts.sampler, resolved.train.accumulate)
    steps = epochs.steps(0) if len(parts.sampler) else 0
    training, cost = trained_one_row(parts)
    return facts | {
        "multiply_adds_per_token": asdict(cost),
        "tokens": len(tokens),
        "store_bytes": _store_bytes(tokens),
        "steps_per_epoch": steps,
        "total_steps": parts.total_steps,
        "checkpoint_bytes": _checkpoint_bytes(parts, training, state),
    }


def _of_model(name: str, model: Any) -> Facts:
    parts = part_costs(model)
    return {
        "name": name,
        "vocabulary": int(model.vocabulary),
        "parameters": sum(part.parameters for part in parts),
        "trained": sum(part.trained for part in parts),
        "bytes": sum(part.bytes for part in parts),
        "parts": [asdict(part) for part in parts],
    }


def _facts_without_text(run: Run) -> Facts:
    description, model = run.description, run.model
    generation = generation_cost(model)
    return _of_model(description["name"], model) | {
        "state_bytes_per_row": state_bytes(model),
        "multiply_adds_per_token": {"forward": None, "backward": None, "generation": generation},
        "tokens": description["corpus"]["tokens"],
        "store_bytes": None,
        "steps_per_epoch": None,
        "total_steps": description["total_steps"],
    }


def _store_bytes(tokens: Tokens) -> int:
    columns = (tokens.ids, tokens.documents, tokens.weights)
    return sum(len(column) * column.dtype.itemsize for column in columns if column is not None)


def _checkpoint_bytes(parts: Parts, training: Training, state_of_row: int) -> int:
    """The size of a checkpoint after a first step, to about a percent."""
    weights = tensor_bytes(dict(parts.model.state_dict()))
    batch = parts.sampler.batch(0, 0) if len(parts.sampler) else None
    rows = len(batch.inputs) - 1 if batch is not None and training.state is not None else 0
    plain = {"tokenizer": parts.prepared.tokenizer.state_dict(), "training": training.state_dict()}
    tensors: dict[str, Any] = {}
    text = json.dumps(pack(plain, "", tensors))
    copies = 2 if training.has_other_weights else 1
    counts = 8 * parts.model.vocabulary
    return weights * copies + tensor_bytes(tensors) + len(text) + counts + rows * state_of_row
