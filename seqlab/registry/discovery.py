"""Finds plugins, as entry points and dropped-in files, and imports them."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from seqlab.arguments import named_path
from seqlab.errors import PluginFolder, UsageError
from seqlab.files import read
from seqlab.registry.error_summary import reason
from seqlab.registry.plugins import Plugin
from seqlab.registry.source_hashes import Home

if TYPE_CHECKING:
    from importlib.metadata import Distribution

log = logging.getLogger(__name__)

GROUP = "seqlab"
OWN = "seqlab"
DROPPED_IN = "seqlab_dropped_in_"  # begins the module name of a dropped-in file
AUTOLOAD_OFF = "SEQLAB_DISABLE_PLUGIN_AUTOLOAD"
MAX_SOURCE = 16 << 20  # bytes of a dropped-in file

Importer: TypeAlias = Callable[[], ModuleType]
Found: TypeAlias = tuple[Plugin, Importer]


class Point(NamedTuple):
    """An entry point: the name of a plugin, and its module."""

    name: str
    value: str

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()  # it may be malformed


class Offering(NamedTuple):
    """A distribution with plugins; `damage` says why its entry points cannot be read."""

    name: str
    version: str
    points: tuple[Point, ...] = ()
    damage: str = ""


def _load(point: Point) -> ModuleType:
    from importlib.metadata import EntryPoint

    module = EntryPoint(point.name, point.value, GROUP).load()
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
    return found_in(offerings())


def found_in(offerings: Iterable[Offering]) -> Iterator[Found]:
    """The plugins of distributions, of seqlab alone where the variable says so."""
    own_only = bool(os.environ.get(AUTOLOAD_OFF))
    for offering in sorted(offerings, key=lambda each: (each.name != OWN, each.name)):
        if offering.name == OWN or not own_only:
            yield from _plugins_of(offering)


def offerings() -> list[Offering]:
    """The distributions with plugins; of several with one name the first counts."""
    from importlib.metadata import distributions

    by_name: dict[str, Offering] = {}
    for distribution in distributions():
        if _has_entry_points(distribution) and (name := _name(distribution)) not in by_name:
            by_name[name] = _offering(name, distribution)
    return list(by_name.values())


def _has_entry_points(distribution: Distribution) -> bool:
    """Whether it may have plugins; most distributions have none and need not be parsed."""
    try:
        return f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or "")
    except Exception:  # `_offering` reports it
        return True


def _name(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Name"])
    except Exception:  # a damaged distribution
        return "?"


def _offering(name: str, distribution: Distribution) -> Offering:
    try:
        points = distribution.entry_points.select(group=GROUP)
        version = distribution.metadata["Version"] or ""
        rows = tuple(Point(point.name, point.value) for point in points)
    except Exception as error:
        return Offering(name, "", damage=f"its entry points are damaged: {reason(error)}")
    return Offering(name, version, rows)


def _plugins_of(offering: Offering) -> Iterator[Found]:
    """The plugins of a distribution; a failed plugin if its entry points cannot be read."""
    name, version, points, damage = offering
    if damage:
        yield Plugin(name, None, name, ""), partial(_fail, TypeError(damage))
    counts = Counter(top_package(point.module) for point in points)
    for point in points:
        home = Home(point.module, alone=counts[top_package(point.module)] == 1)
        path = _module_path(point.module)
        yield Plugin(point.name, path, name, version, home=home), partial(_load, point)


def top_package(module: str) -> str:
    return module.partition(".")[0].strip()


def _module_path(module: str) -> Path | None:
    """The file of a module, or of its top package, without importing it."""
    try:
        top, _, rest = module.partition(".")
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
