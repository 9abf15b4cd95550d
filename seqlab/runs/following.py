"""A run on several processes: what the first one gives the others, and what these do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seqlab.data.preparation import vocabulary_hash
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.state_bytes import as_bytes, from_bytes
from seqlab.distributed.wishes import Wishes
from seqlab.distributed.world import World
from seqlab.errors import RunFailed
from seqlab.registry import Resolved
from seqlab.runs.building import Parts, build
from seqlab.runs.recording import measured
from seqlab.runs.signals import Request, stop_requests
from seqlab.runs.told_losses import hear
from seqlab.training.loop import Training


@dataclass(frozen=True)
class Start:
    """What a process begins a run with.

    Args:
        folder: of the run, on the machine of the first process.
        tokenizer: its state.
        weights: of the model.
        training: its state; None: the run is new.
        total_steps_changed: since that state was saved.
    """

    folder: str
    tokenizer: dict[str, Any]
    weights: dict[str, Any]
    training: dict[str, Any] | None = None
    total_steps_changed: bool = False


def start_of(parts: Parts, folder: Path) -> Start:
    """Return what a new run begins with."""
    tokenizer = parts.prepared.tokenizer.state_dict()
    return Start(str(folder), dict(tokenizer), dict(parts.model.state_dict()))


def lead(world: World, parts: Parts, start: Start) -> None:
    """Have the other processes build the same parts.

    Raises:
        RunFailed: one of them has another text or vocabulary.
    """
    if world.size == 1:
        return
    data = as_bytes(vars(start))
    world.order("build")
    world.give_bytes(data)
    for rank, answer in enumerate(world.answers(), start=1):
        theirs = json.loads(answer)
        for what, value in _facts(parts).items():
            if theirs[what] != value:
                raise RunFailed(f"rank {rank} has another {what}: {theirs[what]}, not {value}")


def dismiss(world: World, folder: Path) -> None:
    """Tell the other processes that the run has ended already."""
    if world.size > 1:
        world.order("end")
        world.give_bytes(str(folder).encode())


def follow(resolved: Resolved, world: ProcessWorld) -> Path:
    """Take part in a run until its end; return its folder on the machine of the first process."""
    if world.orders.next() == "end":  # and not to build
        return Path(world.give_bytes(b"").decode())
    parts, folder = _built(resolved, world)
    with stop_requests() as request:
        _obey(resolved, parts, world, request)
    return Path(folder)


def _built(resolved: Resolved, world: ProcessWorld) -> tuple[Parts, str]:
    """Build what the first process has built; return its folder, too.

    What it has sent, whole weights among it, is then forgotten.
    """
    start = Start(**from_bytes(world.give_bytes(b"")))
    tokenizer = resolved.tokenizer.build()
    tokenizer.load_state_dict(start.tokenizer)
    parts = build(resolved, tokenizer, start.weights, world=world)
    world.orders.answer(json.dumps(_facts(parts)))
    if start.training is not None:
        parts.training.load_state_dict(start.training, start.total_steps_changed)
    return parts, start.folder


def _obey(resolved: Resolved, parts: Parts, world: ProcessWorld, request: Request) -> None:
    """Do what the first process asks for, until it says that this is the end."""
    training = parts.training
    training.wishes = partial(_wishes, request)
    steps = training.steps(parts.total_steps)
    while (order := world.orders.next()) != "end":
        match order:
            case "train":
                next((step for step in steps if training.agreed.pause), None)
            case "evaluate":
                measured(resolved, parts)
            case "hear":
                hear(parts)
            case "sample":
                _lend_weights(training)
            case "state":
                training.state_dict()
                if training.has_other_weights:
                    with training.trained():
                        pass
                _lend_weights(training)


def _lend_weights(training: Training) -> None:
    """Take part in what the first process does with all weights."""
    with training.evaluating():
        pass


def _wishes(request: Request) -> Wishes:
    return Wishes(stop=request.signal is not None, signal=request.signal)


def _facts(parts: Parts) -> dict[str, Any]:
    """What all processes must have in common."""
    prepared = parts.prepared
    return {
        "text": prepared.source.fingerprint,
        "number of tokens": len(prepared.tokens),
        "vocabulary": vocabulary_hash(prepared.tokenizer),
        "number of steps": parts.total_steps,
    }
