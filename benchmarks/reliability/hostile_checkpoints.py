"""A checkpoint in -> what somebody who means harm would make of it, with hashes that are right."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from seqlab.training.checkpoint import MANIFEST, STATE, WEIGHTS

Write: TypeAlias = Callable[[Path, Path], object]
MIB = 1 << 20


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


@dataclass(frozen=True)
class Made:
    """One hostile checkpoint.

    `write` makes it out of the good one at the first path; the second is the file that its code
    would make if it ran. `may_load`: there is nothing wrong with loading it.
    """

    name: str
    write: Write
    may_load: bool = False


class _Payload:
    """What a pickle does when somebody loads it."""

    def __init__(self, canary: Path) -> None:
        self._command = f"touch '{canary}'"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


def rehash(place: Path, change: Callable[[dict[str, Any]], object] | None = None) -> None:
    """Describe the files as they are now, change the manifest, and hash it as seqlab does."""
    manifest = json.loads((place / MANIFEST).read_bytes())
    for name in (WEIGHTS, STATE):
        data = (place / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    if change is not None:
        change(manifest)
    write_manifest(place, manifest)


def write_manifest(place: Path, manifest: dict[str, Any]) -> None:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**content, "sha256": digest}, ensure_ascii=False, indent=1)
    (place / MANIFEST).write_text(text, "utf-8")


# -- files


def _file(name: str, data: Callable[[Path], bytes]) -> Write:
    """Put other bytes in the place of a file, and hash them."""

    def write(place: Path, canary: Path) -> None:
        (place / name).write_bytes(data(canary))
        if name != MANIFEST:
            rehash(place)

    return write


def _pickle(canary: Path) -> bytes:
    return pickle.dumps(_Payload(canary))


def _torch_file(canary: Path) -> bytes:
    packed = io.BytesIO()
    torch.save({"weight": _Payload(canary)}, packed)
    return packed.getvalue()


def _tensors(header: object, length: int | None = None, data: bytes = b"\0" * 8) -> bytes:
    """A safetensors file with any header, which may claim to have another length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(shape: list[int], stop: int, dtype: str = "F32", start: int = 0) -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}}


HEADERS = {
    "a header of 1 TiB": _tensors({}, 1 << 40),
    "a header of 2^63": _tensors({}, 1 << 63),
    "a header of 2^64 - 1": _tensors({}, (1 << 64) - 1),
    "a header of 90 MB that is not there": _tensors({}, 90_000_000),
    "a tensor of 4 TiB": _tensors(_tensor([1 << 40], 1 << 42)),
    "a tensor of 4 TiB over 8 bytes": _tensors(_tensor([1 << 40], 8)),
    "a shape that overflows": _tensors(_tensor([1 << 62, 4], 8)),
    "a shape below zero": _tensors(_tensor([-2], 8)),
    "offsets in the wrong order": _tensors(_tensor([2], 0, start=8)),
    "an unknown dtype": _tensors(_tensor([2], 8, "PICKLE")),
    "a header that is nested 100,000 times": _tensors(b'{"w":' + b"[" * 100_000),
    "a header that is no JSON": _tensors(b"\xff" * 64),
    "nothing": b"",
    "seven bytes": b"\0" * 7,
}


def _escaping_tensor(place: Path, canary: Path) -> None:
    header = {f"../../../{canary.name}": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    (place / WEIGHTS).write_bytes(_tensors(header))
    rehash(place)


def _link(name: str, target: str) -> Write:
    def write(place: Path, _: Path) -> None:
        (place / name).unlink()
        (place / name).symlink_to(target)

    return write


def _pipe(place: Path, _: Path) -> None:
    """A file that never ends because nobody writes it."""
    (place / WEIGHTS).unlink()
    os.mkfifo(place / WEIGHTS)


# -- manifests


def _manifest(changes: dict[str, Any]) -> Write:
    def change(manifest: dict[str, Any]) -> None:
        for key, value in changes.items():
            manifest[key] = value
            if value is MISSING:
                del manifest[key]

    return lambda place, canary: rehash(place, change)


def _escaping_manifest(place: Path, canary: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][f"../../../{canary.name}"] = {"sha256": "0" * 64, "bytes": 0}

    rehash(place, change)


def _deep(depth: int) -> Write:
    """A state that is nested; its hash is made without recursion."""
    opening, closing = '{"list": [' * depth, "]}" * depth

    def write(place: Path, _: Path) -> None:
        rehash(place, lambda manifest: manifest.update(state="DEEP"))
        manifest = json.loads((place / MANIFEST).read_bytes())
        del manifest["sha256"]
        text = json.dumps(manifest, sort_keys=True).replace('"DEEP"', opening + closing)
        manifest["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        whole = json.dumps(manifest, ensure_ascii=False, indent=1)
        (place / MANIFEST).write_text(whole.replace('"DEEP"', opening + closing), "utf-8")

    return write


def _lists(size: int) -> Callable[[Path], bytes]:
    """As many objects as so many MiB of JSON can hold."""
    return lambda _: b"[" + b"[]," * (size * MIB // 3) + b"1]"


KINDS = ("tensor", "dict", "list", "tuple", "float", "other")
_HARD: tuple[Any, ...] = (None, 7, "text", {}, {"a": 1})
_LISTS: tuple[Any, ...] = ([7], [[1]], [[1, 2, 3]])
_FORMATS: tuple[Any, ...] = (2, "1", None, [], 10**400)
_STEPS: tuple[Any, ...] = ("7", -1, None, [], {}, 1.5, 10**400)
_DESCRIPTIONS: tuple[Any, ...] = (None, [], "text", 7, {WEIGHTS: None}, {})
WRONG_STATES: list[Any] = [
    *({kind: value} for kind in KINDS for value in _HARD),
    *({kind: value} for kind in ("tensor", "dict", "float") for value in _LISTS),
    {},
    {"list": [], "tuple": []},
    {"dict": [[{"tuple": [[1]]}, 1]]},
    {"dict": [[{"other": [1]}, 1]]},
    {"tensor": ["tensor-0"]},
    {"float": "9" * MIB},
]
WRONG_MANIFESTS: list[dict[str, Any]] = [
    *({key: MISSING} for key in ("format", "step", "files", "state")),
    *({"format": value} for value in _FORMATS),
    *({"step": value} for value in _STEPS),
    *({"files": value} for value in _DESCRIPTIONS),
    *({"state": state} for state in WRONG_STATES),
]  # fmt: skip

CHECKPOINTS = [
    Made("nothing but a new hash", lambda place, canary: rehash(place), may_load=True),
    *(Made(f"a pickle as {name}", _file(name, _pickle)) for name in (WEIGHTS, STATE, MANIFEST)),
    *(Made(f"torch.save as {name}", _file(name, _torch_file)) for name in (WEIGHTS, STATE)),
    *(Made(f"{name}: {what}", _file(name, lambda _, data=data: data))  # type: ignore[misc] # bound now
      for what, data in HEADERS.items() for name in (WEIGHTS, STATE)),
    Made("a tensor named ../", _escaping_tensor, may_load=True),
    Made("a file named ../ in the manifest", _escaping_manifest, may_load=True),
    *(Made(f"a link to {target} as {name}", _link(name, target))
      for target in ("/dev/zero", "/etc/passwd", ".") for name in (WEIGHTS, MANIFEST)),
    Made("a pipe", _pipe),
    *(Made(f"a state nested {depth:,} times", _deep(depth), may_load=True)
      for depth in (100, 240, 320, 490, 960, 5000, 10**6)),
    Made("a manifest nested 1,000,000 times", _file(MANIFEST, lambda _: b"[" * 10**6)),
    Made("a manifest of 10,000 digits", _file(MANIFEST, lambda _: b"9" * 10**4)),
    *(Made(f"a manifest of {n} MiB of lists", _file(MANIFEST, _lists(n))) for n in (2, 64)),
    Made("a manifest that is no UTF-8", _file(MANIFEST, lambda _: b'{"format": "\xff"}')),
    *(Made(f"a manifest with {str(changes)[:60]}", _manifest(changes))
      for changes in WRONG_MANIFESTS),
]  # fmt: skip


# -- states that are well formed and yet not what a run expects


def in_state(path: tuple[str, ...], value: Any) -> Made:
    """Change one entry of the state, found by its keys."""

    def change(manifest: dict[str, Any]) -> None:
        entries = manifest["state"]["dict"]
        for key in path[:-1]:
            entries = next(item for name, item in entries if name == key)["dict"]
        rest = [entry for entry in entries if entry[0] != path[-1]]
        entries[:] = rest if value is MISSING else [*rest, [path[-1], value]]

    name = f"a state where {'/'.join(path)} is {value}"
    return Made(name, lambda place, canary: rehash(place, change), may_load=True)


_ENTRIES = [
    *((key,) for key in ("tokenizer", "training", "epoch", "last", "best", "stopping", "minutes")),
    *((key,) for key in ("observers", "files")),
    *(("training", key) for key in ("done", "state", "optimizer", "schedule", "average")),
]
_VALUES: list[Any] = [
    *(MISSING, None, "text", -1, 1.5, {"list": []}, {"dict": []}, {"float": "nan"}),
    *({"tensor": "tensor-0"}, {"dict": [["../../../escape", 5], ["..", 0], ["run.json", 0]]}),
]
STATES = [(path, value) for path in _ENTRIES for value in _VALUES]
