"""What kept entries depend on, as it is now."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import seqlab
from seqlab.registry.kept_entries import Entry, read_entry, write_entry
from seqlab.registry.source_hashes import all_files, library_version, root_of
from seqlab.registry.source_states import State, environment, state_of
from seqlab.source_imports import imports_of

OWN = "seqlab"


class Conditions:
    """The present state of packages; each is looked at once."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, bool], tuple[str, State | None]] = {}

    @cached_property
    def environment(self) -> str:
        return environment()

    def kept(self, of: str, source: str = "") -> Entry | None:
        """Return the entry about something if everything is as it was; None: it must be made."""
        entry = read_entry(_here(of))
        if entry is None or (entry.environment, entry.source) != (self.environment, source):
            return None
        renewed = dict(entry.packages)
        for name, (root, before) in entry.packages.items():
            now_root, now = self._state(name)
            if now is None or now_root != root:
                return None
            if now.states != before.states or before.is_racy:
                _, now = self._state(name, content=True)
                if now is None or now.content != before.content:
                    return None
                renewed[name] = (root, before if now.is_racy else now)
        if renewed != entry.packages:
            write_entry(replace(entry, packages=renewed))
        return entry

    def present(
        self, of: str, packages: Iterable[str], source: bytes | None = None
    ) -> Entry | None:
        """Return an entry without content, to be kept if it is made from what is there now.

        None: it depends on what cannot be known.
        """
        found: dict[str, tuple[str, State]] = {}
        waiting = [OWN, *packages, *_imported([source] if source else [])]
        for name in waiting:  # which grows
            if name in found:
                continue
            root, state = self._state(name, content=True)
            if state is None:
                return None
            found[name] = (root, state)
            if root and name != OWN:
                waiting += _imported(_sources(Path(root)))
        return Entry(_here(of), self.environment, source_hash(source), found)

    def _state(self, name: str, *, content: bool = False) -> tuple[str, State | None]:
        if (name, content) not in self._states:
            root = Path(seqlab.__file__).parent if name == OWN else root_of(name)
            try:
                state = state_of(root, content=content)
            except OSError:
                state = None
            self._states[name, content] = (str(root or ""), state)
        return self._states[name, content]


def _here(of: str) -> str:
    """Whose it is: environments and checkouts share a cache folder."""
    own = Path(seqlab.__file__).parent
    return "\n".join([of, sys.implementation.cache_tag or "", sys.prefix, str(own)])


def source_hash(source: bytes | None) -> str:
    """SHA-256 of a dropped-in file; empty for anything else."""
    return "" if source is None else hashlib.sha256(source).hexdigest()


def _sources(root: Path) -> Iterator[bytes]:
    for path in all_files(root):
        if path.suffix == ".py":
            yield path.read_bytes()


def _imported(sources: Iterable[bytes]) -> list[str]:
    """The packages without a version that sources import: those missing, too."""
    names = {name.partition(".")[0] for text in sources for name in imports_of(text).names}
    others = sorted(names - sys.stdlib_module_names - {OWN, "", "__future__"})
    return [name for name in others if library_version(name) in ("", "absent")]
