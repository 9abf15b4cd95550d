"""Two runs in -> every bit in which they differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import seqlab
from seqlab.errors import SeqlabError
from seqlab.training.checkpoint import checkpoint_path, load_checkpoint, steps_saved

CLOCKS = ("seconds", "tokens_per_second")
CLOCK_STATES = ("minutes", "epoch/seconds", "files/")
LITTER = (".tmp", ".old")


def differences(one: Path, other: Path) -> list[str]:
    """Compare weights, optimizer tensors and all other state, rows of metrics, and samples.

    What a clock decides is left out: seconds, tokens a second, and the lengths of files with them.
    """
    try:
        first, second = _content(one), _content(other)
    except SeqlabError as error:
        return [str(error)]
    keys = first.keys() | second.keys()
    return sorted(f"{key} differs" for key in keys if first.get(key) != second.get(key))


def litter(folder: Path) -> list[str]:
    """What unfinished writing left anywhere below a folder, checkpoints that are not whole too."""
    found = [str(path) for path in folder.rglob("*") if path.name.endswith(LITTER)]
    for checkpoints in folder.rglob("checkpoints"):
        found += _damaged(checkpoints)
    return found


def _damaged(checkpoints: Path) -> Iterator[str]:
    for step in steps_saved(checkpoints):
        try:
            load_checkpoint(checkpoint_path(checkpoints, step))
        except SeqlabError as error:
            yield str(error)


def _content(folder: Path) -> dict[str, Any]:
    run = seqlab.open_run(folder)
    rows = [{k: v for k, v in row.items() if k not in CLOCKS} for row in run.metrics]
    leaves = dict(_leaves(run.checkpoint.state, ""))
    state = {key: bits for key, bits in leaves.items() if not key.startswith(CLOCK_STATES)}
    weights = {f"weight {name}": _bits(tensor) for name, tensor in run.checkpoint.weights.items()}
    return {**weights, **state, "metrics": rows, "samples": run.samples}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every leaf of a state, with the types of what holds it in its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}/{type(value).__name__} {index}")
    else:
        yield path, _bits(value) if isinstance(value, Tensor) else repr(value)


def _bits(tensor: Tensor) -> tuple[str, tuple[int, ...], bytes]:
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    return str(tensor.dtype), tuple(tensor.shape), bytes(raw.tolist())
