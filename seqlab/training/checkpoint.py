"""Checkpoints: whole or absent, checked by hash, and without a line of code in them.

A checkpoint is a folder with `model.safetensors`, `state.safetensors` and `manifest.json`.
The manifest has the format's version, a SHA-256 of each file and of itself, and the structure of
everything that is no weight: JSON values, with tensors named where they belong.
"""

from __future__ import annotations

import hashlib
import json
import re
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
from seqlab.files import entries, expect_folder, read
from seqlab.packing import pack, unpack

FORMAT = 1
MAX_MANIFEST = 16 << 20  # bytes; parsed JSON takes up to twenty times its size
WEIGHTS, STATE, MANIFEST = "model.safetensors", "state.safetensors", "manifest.json"
FILES = (WEIGHTS, STATE, MANIFEST)
_STEP = re.compile(r"step-([0-9]{8,})")


@dataclass(frozen=True)
class Checkpoint:
    """`weights` is the model's state_dict; `state` everything else, any tree of plain values."""

    step: int
    weights: dict[str, Tensor]
    state: Any


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies among `folder`'s."""
    return folder / f"step-{step:08d}"


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint into `folder`: into a temporary folder, which is then renamed.

    Raises:
        RunFailed: it cannot be written; what was there before is as it was.
        PluginError: a component's state holds something else than JSON values and tensors.
    """
    target = checkpoint_path(folder, checkpoint.step)
    try:
        with atomic_folder(target, replaceable=FILES) as temporary:
            _write_files(temporary, checkpoint)
    except OSError as error:
        said = error.strerror or error
        raise RunFailed(f"{target}: the checkpoint cannot be saved ({said})") from None
    except TypeError as error:
        raise PluginError(f"{target}: the checkpoint cannot be saved ({error})") from None
    return target


def check_state(state: Any) -> None:
    """See to it, before anything is trained, that a state can be saved.

    Raises:
        PluginError: it holds something else than JSON values and tensors.
    """
    try:
        pack(state, "", {})
    except TypeError as error:
        raise PluginError(f"the run could not be saved ({error})") from None


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    tensors: dict[str, Tensor] = {}
    structure = pack(checkpoint.state, "", tensors)
    contents = {WEIGHTS: save(_plain(checkpoint.weights)), STATE: save(_plain(tensors))}
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
    """Read a checkpoint back, with tensors on the CPU.

    Raises:
        CheckpointError: a file is missing or is not what the manifest says.
    """
    try:
        expect_folder(path)
        data = read(path / MANIFEST, MAX_MANIFEST)
        manifest = json.loads(data)
        _check_manifest(manifest, path)
        if data != _as_json(manifest):
            raise CheckpointError(f"{path / MANIFEST}: is damaged (it is not as seqlab writes it)")
        sizes = {name: manifest["files"][name]["bytes"] for name in (WEIGHTS, STATE)}
        contents = {name: read(path / name, size) for name, size in sizes.items()}
    except OSError as error:
        place = error.filename or path
        raise CheckpointError(f"{place}: cannot be read ({error.strerror or error})") from None
    except (LookupError, TypeError, ValueError, RecursionError):
        raise CheckpointError(f"{path / MANIFEST}: is damaged (not JSON, or no manifest)") from None
    for name, data in contents.items():
        if manifest["files"][name] != _describe(data):
            raise CheckpointError(f"{path / name}: is damaged (its SHA-256 is another)")
    with understood(path):
        weights, tensors = load(contents[WEIGHTS]), load(contents[STATE])
        return Checkpoint(manifest["step"], weights, unpack(manifest["state"], tensors))


def _as_json(manifest: Any) -> bytes:
    return json.dumps(manifest, ensure_ascii=False, indent=1).encode()


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """What comes up while a checkpoint's content is taken apart means that it is another content.

    Raises:
        CheckpointError: in place of whatever it was.
    """
    try:
        yield
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{path}: is no checkpoint of format {FORMAT} ({said})") from None
    except (RuntimeError, OverflowError) as error:  # RecursionError is a RuntimeError
        said = " ".join(str(error).split())
        raise CheckpointError(f"{path}: does not fit this run ({said})") from None


def _check_manifest(manifest: Any, path: Path) -> None:
    place = path / MANIFEST
    if not isinstance(manifest, dict) or manifest.get("sha256") != _hash_of(manifest):
        raise CheckpointError(f"{place}: is damaged (its own SHA-256 is another)")
    if manifest.get("format") != FORMAT:
        found = manifest.get("format")
        raise CheckpointError(f"{place}: has format {found}; this seqlab reads {FORMAT}")
    step = manifest["step"]
    if type(step) is not int or not 0 <= step < 1 << 63:
        raise ValueError("a step is a number from 0 on")


def _describe(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _hash_of(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of their own: safetensors refuses views and tensors that share memory."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def steps_saved(folder: Path) -> list[int]:
    """Return the steps that `folder` has checkpoints of, in order.

    Raises:
        CheckpointError: the folder cannot be read, or is a link.
    """
    try:
        names = [path.name for path in entries(folder)]
    except OSError as error:
        said = error.strerror or error
        raise CheckpointError(f"{folder}: its checkpoints cannot be read ({said})") from None
    steps = {int(form[1]): name for name in names if (form := _STEP.fullmatch(name))}
    return sorted(step for step in steps if checkpoint_path(folder, step).name == steps[step])


def latest_checkpoint(folder: Path, step: int | None = None) -> tuple[Checkpoint | None, list[str]]:
    """Return the latest checkpoint that is whole, and what is wrong with those passed over.

    Args:
        folder: of all checkpoints of a run.
        step: take this one and no other.

    Raises:
        CheckpointError: the one that was asked for is missing or damaged.
    """
    if step is not None and step not in steps_saved(folder):
        there = ", ".join(map(str, steps_saved(folder))) or "none"
        raise CheckpointError(f"{folder}: has no checkpoint of step {step}; there are: {there}")
    if step is not None:
        return load_checkpoint(checkpoint_path(folder, step)), []
    damaged: list[str] = []
    for saved in reversed(steps_saved(folder)):
        try:
            return load_checkpoint(checkpoint_path(folder, saved)), damaged
        except CheckpointError as error:
            damaged.append(str(error))
    return None, damaged


def prune_checkpoints(folder: Path, keep: int, best: int | None) -> None:
    """Remove all but the latest `keep` checkpoints and the best one."""
    _remove(folder, (step for step in steps_saved(folder)[:-keep] if step != best))


def drop_checkpoints_after(folder: Path, step: int) -> None:
    """Remove checkpoints of a course that was left: damaged ones, or later than one asked for."""
    _remove(folder, (later for later in steps_saved(folder) if later > step))


def _remove(folder: Path, steps: Iterable[int]) -> None:
    """Remove checkpoints; a folder that holds anything else stays as it is."""
    for step in steps:
        with suppress(OSError):
            remove_folder(checkpoint_path(folder, step), FILES)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed while saving left behind.

    Where it was killed between two renames, the old checkpoint is put back.
    """
    with suppress(OSError):
        restore_replaced(folder, _STEP, FILES)
        atomic.remove_leftovers(folder)
