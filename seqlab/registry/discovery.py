"""Finds plugins, as entry points and dropped-in files, and imports them."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from seqlab.arguments import named_path
from seqlab.errors import PluginFolder, UsageError
from seqlab.files import read
from seqlab.registry.error_summary import reason
from seqlab.registry.plugins import Plugin
from seqlab.registry.source_hashes import Home

log = logging.getLogger(__name__)

GROUP = "seqlab"
OWN = "seqlab"
DROPPED_IN = "seqlab_dropped_in_"  # begins the module name of a dropped-in file
AUTOLOAD_OFF = "SEQLAB_DISABLE_PLUGIN_AUTOLOAD"
MAX_SOURCE = 16 << 20  # bytes of a dropped-in file

Importer: TypeAlias = Callable[[], ModuleType]
Found: TypeAlias = tuple[Plugin, Importer]


def _load(point: EntryPoint) -> ModuleType:
    module = point.load()
    if not isinstance(module, ModuleType):
        raise TypeError(f"entry point '{point.value}' is not a module")
    return module


def _fail(error: Exception) -> ModuleType:
    raise error


def _execute(home: Home, path: str) -> ModuleType:
    """Make a module from the bytes that were read; a `.pyc` beside the file is not used."""
    spec = spec_from_file_location(home.module, path)
    assert spec is not None  # noqa: S101 # a name that ends with .py always has a loader
    module = module_from_spec(spec)
    sys.modules[home.module] = module  # before execution: dataclasses look there
    exec(compile(home.source or b"", path, "exec"), vars(module))  # noqa: S102 # it is a plugin
    return module


def installed() -> Iterator[Found]:
    """Entry points: seqlab's own first, the others sorted by distribution."""
    by_name: dict[str, Distribution] = {}
    for distribution in distributions():
        if _has_entry_points(distribution):
            by_name.setdefault(_name(distribution), distribution)
    own_only = bool(os.environ.get(AUTOLOAD_OFF))
    for name in sorted(by_name, key=lambda name: (name != OWN, name)):
        if name == OWN or not own_only:
            yield from _entry_points(name, by_name[name])


def _has_entry_points(distribution: Distribution) -> bool:
    """Whether it may have plugins; most distributions have none and need not be parsed."""
    try:
        return f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or "")
    except Exception:  # `_entry_points` reports it
        return True


def _name(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Name"])
    except Exception:  # a damaged distribution
        return "?"


def _entry_points(name: str, distribution: Distribution) -> Iterator[Found]:
    """The plugins of a distribution; a failed plugin if its entry points cannot be read."""
    try:
        points = distribution.entry_points.select(group=GROUP)
        version = distribution.metadata["Version"] or ""
    except Exception as error:
        damaged = TypeError(f"its entry points are damaged: {reason(error)}")
        yield Plugin(name, None, name, ""), partial(_fail, damaged)
        return
    modules = [point.value.partition(":")[0] for point in points]  # may be malformed
    counts = Counter(map(top_package, modules))
    for point, module in zip(points, modules, strict=True):
        home = Home(module, alone=counts[top_package(module)] == 1)
        yield (
            Plugin(point.name, _module_path(point), name, version, home=home),
            partial(_load, point),
        )


def top_package(module: str) -> str:
    return module.partition(".")[0].strip()


def _module_path(point: EntryPoint) -> Path | None:
    """The file of the module, or of its top package, without importing it."""
    try:
        top, _, rest = point.module.partition(".")
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin)
    inside = home.parent.joinpath(*rest.split(".")) if rest else home
    candidates = (inside.with_suffix(".py"), inside / "__init__.py", home)
    return next((path for path in candidates if path.is_file()), None)


def dropped_in(folder: str | Path | None) -> Iterator[Found]:
    path = Path("plugins") if folder is None else named_path(folder, "the plugin folder")
    if not path.is_dir():
        if folder is not None:
            raise UsageError(f"{PluginFolder(folder)}: is not a folder")
        return
    if folder is None and (run := _enclosing_run(path)):
        log.warning(
            "The working folder belongs to a run (%s), so the files in its plugins/ are not loaded;"
            " if you trust them: %s", run, PluginFolder("plugins")
        )  # fmt: skip
        return
    yield from map(dropped_in_file, sorted(path.glob("[!_.]*.py")))


def _enclosing_run(path: Path) -> Path | None:
    """The run folder that a path lies in; None: there is none."""
    parents = path.absolute().parents
    return next((parent for parent in parents if os.path.lexists(parent / "run.json")), None)


def dropped_in_file(path: Path) -> Found:
    name = f"{DROPPED_IN}{path.stem}"
    try:
        home = Home(name, source=read(path.resolve(), MAX_SOURCE))
    except OSError as error:
        return Plugin(path.stem, path, home=Home(name)), partial(_fail, error)
    return Plugin(path.stem, path, home=home), partial(_execute, home, str(path))
