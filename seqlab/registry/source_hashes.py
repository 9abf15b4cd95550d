"""What a component is made of: all code that can change what it does, whether it is loaded or not.

That is its whole top-level package; or, in a package of several plugins, its own module and what
that imports of the package. Code that it imports from elsewhere counts by the version of its
distribution, and by its source where it has none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    version,
)
from importlib.util import find_spec
from pathlib import Path

from seqlab.source_imports import imports_of

CODE = frozenset({".py", ".pyx", ".so", ".pyd", ".dylib", ".dll"})
MOST_FILES, MOST_BYTES = 5_000, 256 << 20  # of a package; what is larger cannot be known


@dataclass(frozen=True)
class MadeOf:
    """SHA-256 of each file by its path in the package, and versions of libraries.

    `known` is False where something of it cannot be told, or changed since it was imported.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    known: bool = True

    def code_hash(self) -> str:
        """SHA-256 of the code alone; of a single file it is that of its bytes; empty: none."""
        if len(self.code) < 2:
            return next(iter(self.code.values()), "")
        text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.code.items()))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Home:
    """Where a plugin's code lies.

    Args:
        module: its name.
        alone: whether its package is its own; else only what it imports of that counts.
        source: of a module that is a single file and was compiled from these bytes.
        since: when it was imported, in seconds since the epoch; 0: it was not.
    """

    module: str
    alone: bool = True
    source: bytes | None = field(default=None, repr=False)
    since: float = 0

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def made_of(self, also: str = "") -> MadeOf:
        """Say what is in the code; `also` is a module of a component that may lie elsewhere."""
        others = {also.partition(".")[0]} - {self.top}
        if self.source is not None:
            return _with_libraries({self.module: self.source}, {}, self.top, others)
        home = _home(self.top)
        if home is None:
            return MadeOf(known=False)
        roots = [name for name in (self.module, also) if name.partition(".")[0] == self.top]
        files = None if self.alone else _reached(roots, home)
        paths = sorted(_all_files(home) if files is None else files)
        if len(paths) > MOST_FILES:
            return MadeOf(known=False)
        return _read(paths, home, self, others)


NOWHERE = Home("")  # of what was made by hand


def _read(paths: list[Path], place: Path, home: Home, others: set[str]) -> MadeOf:
    code: dict[str, bytes] = {}
    data: dict[str, str] = {}
    known, size = True, 0
    base = place if place.is_dir() else place.parent
    for path in paths:
        name = path.relative_to(base).as_posix()
        try:
            stat = path.stat()
            size += stat.st_size
            known &= not home.since or _changed_at(stat) < home.since
            if size > MOST_BYTES:
                return MadeOf(known=False)
            content = path.read_bytes()
        except OSError:
            known = False
            continue
        if path.suffix in CODE:
            code[name] = content
        else:
            data[name] = hashlib.sha256(content).hexdigest()
    return replace(_with_libraries(code, data, home.top, others), known=known)


def _changed_at(stat: os.stat_result) -> float:
    """When a file last became another one; a time of change is what an archive says it is."""
    return stat.st_mtime if os.name == "nt" else stat.st_ctime


def _with_libraries(
    code: Mapping[str, bytes], data: Mapping[str, str], top: str, others: set[str]
) -> MadeOf:
    names = others | {
        name.partition(".")[0]
        for path, content in code.items()
        for name in (imports_of(content).names if path.endswith(".py") or "." not in path else ())
    }
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in code.items()}
    libraries: dict[str, str] = {}
    for name in sorted(names - sys.stdlib_module_names - {top, "seqlab", ""}):
        said = _version(name)
        if said:
            libraries[name] = said
        else:
            hashes |= _unversioned(name)
    return MadeOf(hashes, data, libraries)


def _unversioned(name: str) -> dict[str, str]:
    """The code of a module that belongs to no distribution; nothing, if there is none."""
    home = _home(name)
    if home is None:
        return {}
    base = home if home.is_dir() else home.parent
    return {
        f"{name}: {path.relative_to(base).as_posix()}": _sha256(path)
        for path in _all_files(home)
        if path.suffix in CODE
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _version(name: str) -> str:
    """The version of the distribution that a top-level name comes from; empty: of none.

    That of one that is being worked on (an editable install) says nothing of its code.
    """
    try:
        return "" if _is_editable(name) else version(name)
    except PackageNotFoundError:
        pass
    if _home(name) is None:
        return "absent"
    owners = sorted(set(packages_distributions().get(name, [])))
    if any(map(_is_editable, owners)):
        return ""
    return " ".join(f"{owner} {version(owner)}" for owner in owners)


def _is_editable(owner: str) -> bool:
    said = distribution(owner).read_text("direct_url.json") or "{}"
    with suppress(ValueError, AttributeError):
        return bool(json.loads(said).get("dir_info", {}).get("editable"))
    return False


def _home(top: str) -> Path | None:
    """The folder of a top-level package, or the file of a module; nothing of it is run."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        places = [Path(place) for place in spec.submodule_search_locations]
        return places[0] if len(places) == 1 and places[0].is_dir() else None
    return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None


def _all_files(home: Path) -> Iterator[Path]:
    if home.is_file():
        yield home
        return
    for path in home.rglob("*"):
        if "__pycache__" not in path.parts and path.suffix != ".pyc" and path.is_file():
            yield path


def _reached(modules: list[str], home: Path) -> set[Path] | None:
    """The files of modules and of what it imports of their package; None: that cannot be told."""
    top = modules[0].partition(".")[0]
    waiting, seen = list(modules), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        path = _file_of(name, home)
        if path is None or name in seen:
            continue
        seen[name] = path
        found = imports_of(path.read_bytes(), name, is_package=path.stem == "__init__")
        if found.others:
            return None
        parents = [name.rpartition(".")[0]]
        waiting += [n for n in (*found.names, *parents) if n.partition(".")[0] == top]
    return set(seen.values())


def _file_of(name: str, home: Path) -> Path | None:
    if home.is_file():
        return home
    place = home.joinpath(*name.split(".")[1:])
    candidates = (place / "__init__.py", place.with_suffix(".py") if "." in name else place)
    return next((path for path in candidates if path.is_file()), None)
