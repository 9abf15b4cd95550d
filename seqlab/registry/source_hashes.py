"""All code and data that can change what a component does, whether it is loaded or not.

That is its whole top-level package; or, in a package of several plugins, its own module and what
that imports from the package. Other imports count by the version of their distribution, or by their
source if they have none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from seqlab.source_imports import imports_of

CODE = frozenset({".py", ".pyx", ".so", ".pyd", ".dylib", ".dll"})
MOST_FILES, MOST_BYTES = 5_000, 256 << 20  # a larger package is not hashed


@dataclass(frozen=True)
class Dependencies:
    """SHA-256 of each file by its path in the package, and versions of libraries.

    `known` is False if a part cannot be read, or changed since it was imported.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    known: bool = True

    def code_hash(self) -> str:
        """SHA-256 of the code alone; that of a single file is of its bytes; empty: no code."""
        if len(self.code) < 2:
            return next(iter(self.code.values()), "")
        text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.code.items()))
        return _sha256(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Home:
    """The module of a plugin."""

    module: str
    alone: bool = True  # in its package; else only the modules that it imports count
    source: bytes | None = field(default=None, repr=False)  # of a dropped-in file
    since: float = 0  # when it was imported, in seconds since the epoch; 0: it was not

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def dependencies(self, also: str = "") -> Dependencies:
        """Hash the code and data; `also` is a component's module, which may lie elsewhere."""
        imported = {also.partition(".")[0]} - {self.top}
        if self.source is not None:
            return _with_libraries({self.module: self.source}, {}, self.top, imported)
        root = root_of(self.top)
        if root is None:
            return Dependencies(known=False)
        modules = [name for name in (self.module, also) if name.partition(".")[0] == self.top]
        files = None if self.alone else _imported_files(modules, root)
        paths = sorted(all_files(root) if files is None else files)
        if len(paths) > MOST_FILES:
            return Dependencies(known=False)
        return _hash_files(paths, root, self, imported)


NO_HOME = Home("")  # of a component that was made by hand


def _hash_files(paths: Iterable[Path], root: Path, home: Home, imported: set[str]) -> Dependencies:
    code: dict[str, bytes] = {}
    data: dict[str, str] = {}
    known, size = True, 0
    base = _folder_of(root)
    for path in paths:
        name = path.relative_to(base).as_posix()
        try:
            stat = path.stat()
            size += stat.st_size
            changed = stat.st_mtime if os.name == "nt" else stat.st_ctime  # archives set mtime
            known &= not home.since or changed < home.since
            if size > MOST_BYTES:
                return Dependencies(known=False)
            content = path.read_bytes()
        except OSError:
            known = False
            continue
        if path.suffix in CODE:
            code[name] = content
        else:
            data[name] = _sha256(content)
    return replace(_with_libraries(code, data, home.top, imported), known=known)


def _with_libraries(
    code: Mapping[str, bytes], data: Mapping[str, str], top: str, imported: set[str]
) -> Dependencies:
    sources = [text for path, text in code.items() if path.endswith(".py") or "." not in path]
    names = {name.partition(".")[0] for text in sources for name in imports_of(text).names}
    hashes = {path: _sha256(content) for path, content in code.items()}
    libraries: dict[str, str] = {}
    for name in sorted((names | imported) - sys.stdlib_module_names - {top, "seqlab", ""}):
        if release := library_version(name):
            libraries[name] = release
        elif root := root_of(name):
            base, files = _folder_of(root), (p for p in all_files(root) if p.suffix in CODE)
            hashes |= {
                f"{name}: {path.relative_to(base).as_posix()}": _sha256(path.read_bytes())
                for path in files
            }
    return Dependencies(hashes, data, libraries)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def library_version(name: str) -> str:
    """The version of the distribution of a top-level name; empty if it has none.

    An editable install counts as none: its version says nothing about its code.
    """
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    try:
        return "" if _is_editable(name) else version(name)
    except PackageNotFoundError:
        pass
    if root_of(name) is None:
        return "absent"
    owners = sorted(set(packages_distributions().get(name, [])))
    if any(map(_is_editable, owners)):
        return ""
    return " ".join(f"{owner} {version(owner)}" for owner in owners)


def _is_editable(owner: str) -> bool:
    from importlib.metadata import distribution

    text = distribution(owner).read_text("direct_url.json") or "{}"
    with suppress(ValueError, AttributeError):
        return bool(json.loads(text).get("dir_info", {}).get("editable"))
    return False


def root_of(top: str) -> Path | None:
    """The folder of a top-level package, or the file of a module, without importing it."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        return folders[0] if len(folders) == 1 and folders[0].is_dir() else None
    return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None


def _folder_of(root: Path) -> Path:
    return root if root.is_dir() else root.parent


def all_files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for path in root.rglob("*"):
        if "__pycache__" not in path.parts and path.suffix != ".pyc" and path.is_file():
            yield path


def _imported_files(modules: list[str], root: Path) -> set[Path] | None:
    """The files of modules and of what they import from their package; None: unknown."""
    top = modules[0].partition(".")[0]
    waiting, seen = list(modules), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if path is None or name in seen:
            continue
        seen[name] = path
        imports = imports_of(path.read_bytes(), name, is_package=path.stem == "__init__")
        if imports.computed:
            return None
        names = (*imports.names, name.rpartition(".")[0])
        waiting += [imported for imported in names if imported.partition(".")[0] == top]
    return set(seen.values())


def _file_of(name: str, root: Path) -> Path | None:
    if root.is_file():
        return root
    path = root.joinpath(*name.split(".")[1:])
    candidates = (path / "__init__.py", path.with_suffix(".py") if "." in name else path)
    return next((path for path in candidates if path.is_file()), None)
