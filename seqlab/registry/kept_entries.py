"""Files in the cache folder, each with what is known of the plugins of a distribution or a file.

Nothing in them is executed. One that is damaged, or of another form, is as good as none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqlab.cache_folder import cache_folder
from seqlab.files import expect_folder, read
from seqlab.registry import source_states
from seqlab.registry.source_states import State

FOLDER = "signatures"
FORMAT = 1
MAX_SIZE = 32 << 20  # bytes
_HASH = 64  # digits of the hash on the first line


@dataclass(frozen=True)
class Entry:
    """What was found where, and under which conditions it holds.

    Args:
        of: what it is about, and where that was.
        environment: see `source_states`.
        source: SHA-256 of a dropped-in file.
        packages: the root of each package that was read (empty: there was none), with its state.
        content: what is known, as JSON values.
    """

    of: str
    environment: str
    source: str = ""
    packages: Mapping[str, tuple[str, State]] = field(default_factory=dict)
    content: Any = None


def key_of(of: str) -> str:
    return hashlib.blake2b(of.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def read_entry(of: str) -> Entry | None:
    """Return what is kept; None: nothing, or it is damaged."""
    file = cache_folder() / FOLDER / key_of(of)
    try:
        expect_folder(file.parent)
        return _parse(of, read(file, MAX_SIZE))
    except (OSError, ValueError, TypeError, RecursionError, AttributeError):
        return None


def _parse(of: str, data: bytes) -> Entry | None:
    digest, _, text = data[:_HASH], data[_HASH : _HASH + 1], data[_HASH + 1 :]
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return None
    kept = json.loads(text)
    packages = {
        name: (root, state)
        for name, (root, values) in kept["packages"].items()
        if isinstance(root, str) and (state := source_states.from_json(values))
    }
    texts = [kept["of"], kept["environment"], kept["source"]]
    whole = len(packages) == len(kept["packages"]) and all(isinstance(t, str) for t in texts)
    if not whole or kept["format"] != FORMAT or kept["of"] != of:
        return None
    return Entry(of, kept["environment"], kept["source"], packages, kept["content"])


def write_entry(entry: Entry) -> None:
    """Keep an entry; where that cannot be done, nothing is kept."""
    from seqlab.atomic import make_folders, remove_leftovers, write_atomic

    packages = {
        name: [root, source_states.as_json(state)] for name, (root, state) in entry.packages.items()
    }
    kept = {"format": FORMAT, "of": entry.of, "environment": entry.environment}
    kept |= {"source": entry.source, "packages": packages, "content": entry.content}
    text = json.dumps(kept).encode()
    if len(text) + _HASH + 1 > MAX_SIZE:
        return
    file = cache_folder() / FOLDER / key_of(entry.of)
    with suppress(OSError):
        make_folders(file.parent)
        expect_folder(file.parent)
        remove_leftovers(file.parent)
        write_atomic(file, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def is_entry(file: Path) -> bool:
    """Whether a file is an entry; raises OSError if it cannot be read."""
    data = read(file, MAX_SIZE)
    return data[:_HASH].isalnum() and data[_HASH:].startswith(b'\n{"format": ')
