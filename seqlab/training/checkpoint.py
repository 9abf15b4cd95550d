"""Checkpoints: written whole or not at all, checked by hash, and free of code.

A checkpoint is a folder with `model.safetensors`, `state.safetensors` and `manifest.json`. The
manifest has the version of the format, a SHA-256 of each file and of itself, and the state: JSON
values, with the names of tensors in `state.safetensors`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seqlab import atomic
from seqlab.atomic import atomic_folder, remove_folder, restore_replaced, write_synced
from seqlab.errors import CheckpointError, PluginError, RunFailed
from seqlab.files import expect_folder, read
from seqlab.packing import pack, unpack
from seqlab.training.saved_steps import STEP
from seqlab.training.saved_steps import checkpoint_path as checkpoint_path
from seqlab.training.saved_steps import is_name as is_name
from seqlab.training.saved_steps import steps_saved as steps_saved

FORMAT = 1
MAX_MANIFEST = 16 << 20  # bytes; parsed, JSON takes up to twenty times as much memory
WEIGHTS, STATE, MANIFEST = "model.safetensors", "state.safetensors", "manifest.json"
FILES = (WEIGHTS, STATE, MANIFEST)


@dataclass(frozen=True)
class Checkpoint:
    """`weights` is the model's state_dict; `state` is any tree of plain values and tensors."""

    step: int
    weights: dict[str, Tensor]
    state: Any


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint to a temporary folder, which is then renamed.

    Raises:
        RunFailed: it cannot be written; an older checkpoint of the step is still there.
        PluginError: a component's state is more than JSON values and tensors.
    """
    target = checkpoint_path(folder, checkpoint.step)
    try:
        with atomic_folder(target, replaceable=FILES) as temporary:
            _write_files(temporary, checkpoint)
    except OSError as error:
        reason = error.strerror or error
        raise RunFailed(f"{target}: the checkpoint cannot be saved ({reason})") from None
    except TypeError as error:
        raise PluginError(f"{target}: the checkpoint cannot be saved ({error})") from None
    return target


def check_state(state: Any) -> None:
    """Raise PluginError unless a state can be saved."""
    try:
        pack(state, "", {})
    except TypeError as error:
        raise PluginError(f"the run could not be saved ({error})") from None


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    tensors: dict[str, Tensor] = {}
    structure = pack(checkpoint.state, "", tensors)
    contents = {WEIGHTS: save(_copies(checkpoint.weights)), STATE: save(_copies(tensors))}
    manifest = {
        "format": FORMAT,
        "step": checkpoint.step,
        "files": {name: _describe(data) for name, data in contents.items()},
        "state": structure,
    }
    manifest["sha256"] = _hash_of(manifest)
    contents[MANIFEST] = _as_json(manifest)
    for name, data in contents.items():
        write_synced(folder / name, data)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, with tensors on the CPU; raise CheckpointError if it is damaged."""
    try:
        expect_folder(path)
        data = read(path / MANIFEST, MAX_MANIFEST)
        manifest = json.loads(data)
        _check_manifest(manifest, path)
        if data != _as_json(manifest):
            raise CheckpointError(f"{path / MANIFEST}: is damaged (not in seqlab's own form)")
        sizes = {name: manifest["files"][name]["bytes"] for name in (WEIGHTS, STATE)}
        contents = {name: read(path / name, size) for name, size in sizes.items()}
    except OSError as error:
        file = error.filename or path
        raise CheckpointError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (LookupError, TypeError, ValueError, RecursionError):
        raise CheckpointError(f"{path / MANIFEST}: is damaged (not a manifest)") from None
    for name, data in contents.items():
        if manifest["files"][name] != _describe(data):
            raise CheckpointError(f"{path / name}: is damaged (its SHA-256 differs)")
    with checkpoint_errors(path):
        weights, tensors = load(contents[WEIGHTS]), load(contents[STATE])
        return Checkpoint(manifest["step"], weights, unpack(manifest["state"], tensors))


def _as_json(manifest: Any) -> bytes:
    return json.dumps(manifest, ensure_ascii=False, indent=1).encode()


@contextmanager
def checkpoint_errors(path: Path) -> Iterator[None]:
    """Turn any error of interpreting a checkpoint's content into a CheckpointError."""
    try:
        yield
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        message = f"{path}: is not a checkpoint of format {FORMAT} ({reason})"
        raise CheckpointError(message) from None
    except (RuntimeError, OverflowError) as error:  # RecursionError is a RuntimeError
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: does not fit this run ({reason})") from None


def _check_manifest(manifest: Any, path: Path) -> None:
    file = path / MANIFEST
    if not isinstance(manifest, dict) or manifest.get("sha256") != _hash_of(manifest):
        raise CheckpointError(f"{file}: is damaged (its own SHA-256 differs)")
    if manifest.get("format") != FORMAT:
        version = manifest.get("format")
        raise CheckpointError(f"{file}: has format {version}; this seqlab reads {FORMAT}")
    step = manifest["step"]
    if type(step) is not int or not 0 <= step < 1 << 63:
        raise ValueError("a step is an integer from 0 on")


def _describe(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _hash_of(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to the CPU: safetensors refuses views and shared memory."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def latest_checkpoint(folder: Path, step: int | None = None) -> tuple[Checkpoint | None, list[str]]:
    """Return the latest undamaged checkpoint, or that of `step`, and the errors of later ones.

    Raises:
        CheckpointError: the checkpoint of `step` is missing or damaged.
    """
    if step is not None and step not in steps_saved(folder):
        steps = ", ".join(map(str, steps_saved(folder))) or "none"
        raise CheckpointError(f"{folder}: has no checkpoint of step {step}; there are: {steps}")
    if step is not None:
        return load_checkpoint(checkpoint_path(folder, step)), []
    damaged: list[str] = []
    for saved in reversed(steps_saved(folder)):
        try:
            return load_checkpoint(checkpoint_path(folder, saved)), damaged
        except CheckpointError as error:
            damaged.append(str(error))
    return None, damaged


def remove_checkpoints(folder: Path, steps: Iterable[int]) -> None:
    """Remove checkpoints; a folder with any other file stays."""
    for step in steps:
        with suppress(OSError):
            remove_folder(checkpoint_path(folder, step), FILES)


def remove_leftovers(folder: Path) -> None:
    """Clean up after a process that was killed while saving."""
    with suppress(OSError):
        restore_replaced(folder, STEP, FILES)
        atomic.remove_leftovers(folder)
