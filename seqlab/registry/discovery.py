"""Which plugins there are: entry points and dropped-in files, and how each is imported."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from seqlab.errors import UsageError
from seqlab.files import read
from seqlab.paths import named_path
from seqlab.registry.error_summary import reason
from seqlab.registry.plugins import Plugin
from seqlab.registry.source_hashes import Home

log = logging.getLogger(__name__)

GROUP = "seqlab"
OWN = "seqlab"
AUTOLOAD_OFF = "SEQLAB_DISABLE_PLUGIN_AUTOLOAD"
MAX_SOURCE = 16 << 20  # bytes, of a dropped-in file


class Importer:
    """Imports one plugin's module; building it runs nothing of the plugin."""

    def __init__(self, source: EntryPoint | Home | Exception, path: Path | None = None) -> None:
        self.source = source
        self.path = path

    def __call__(self) -> ModuleType:
        if isinstance(self.source, Exception):
            raise self.source
        if isinstance(self.source, Home):
            return _executed(self.source, str(self.path))
        module = self.source.load()
        if not isinstance(module, ModuleType):
            raise TypeError(f"entry point '{self.source.value}' is not a module")
        return module


def _executed(home: Home, path: str) -> ModuleType:
    """Make a module of the bytes that were read, whatever compiled code lies beside the file."""
    spec = spec_from_file_location(home.module, path)
    assert spec is not None  # noqa: S101 # a name that ends with .py always has a loader
    module = module_from_spec(spec)
    sys.modules[home.module] = module  # before execution: dataclasses look there
    exec(compile(home.source or b"", path, "exec"), vars(module))  # noqa: S102 # it is a plugin
    return module


def installed() -> Iterator[tuple[Plugin, Importer]]:
    """Entry points, seqlab's own first; the others by distribution, so that the order repeats."""
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        if _has_entry_points(distribution):
            found.setdefault(_name(distribution), distribution)
    own_only = bool(os.environ.get(AUTOLOAD_OFF))
    for name in sorted(found, key=lambda name: (name != OWN, name)):
        if name == OWN or not own_only:
            yield from _entry_points(name, found[name])


def _has_entry_points(distribution: Distribution) -> bool:
    """Whether it is worth parsing: most distributions have nothing for seqlab."""
    try:
        return f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or "")
    except Exception:  # what cannot be read is looked at again, and then said
        return True


def _name(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Name"])
    except Exception:  # a damaged distribution is somebody else's trouble
        return "?"


def _entry_points(name: str, distribution: Distribution) -> Iterator[tuple[Plugin, Importer]]:
    """The plugins of one distribution; one whose entry points cannot be read is a failed plugin."""
    try:
        points = distribution.entry_points.select(group=GROUP)
        version = distribution.metadata["Version"] or ""
    except Exception as error:
        failed = Plugin(name, None, name, "")
        yield failed, Importer(TypeError(f"its entry points are damaged: {reason(error)}"))
        return
    packages = Counter(_top(point) for point in points)
    for point in points:
        home = Home(point.value.partition(":")[0], alone=packages[_top(point)] == 1)
        path = _module_path(point)
        yield Plugin(point.name, path, name, version, home=home), Importer(point)


def _top(point: EntryPoint) -> str:
    """The package that an entry point lies in, if its value is one at all."""
    return point.value.partition(":")[0].partition(".")[0].strip()


def _module_path(point: EntryPoint) -> Path | None:
    """Find the file without running it: that of the top package if the module lies deeper."""
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


def dropped_in(folder: str | Path | None) -> Iterator[tuple[Plugin, Importer]]:
    place = Path("plugins") if folder is None else named_path(folder, "--plugins")
    if not place.is_dir():
        if folder is not None:
            raise UsageError(f"--plugins {folder}: is not a folder")
        return
    if folder is None and (run := _run_around(place)):
        log.warning(
            "The working folder belongs to a run (%s), so the files in its plugins/ are not loaded;"
            " if you trust them: --plugins plugins", run
        )  # fmt: skip
        return
    yield from map(dropped_in_file, sorted(place.glob("[!_.]*.py")))


def _run_around(folder: Path) -> Path | None:
    """The run folder that a folder lies in; None: it lies in none."""
    above = folder.absolute().parents
    return next((one for one in above if os.path.lexists(one / "run.json")), None)


def dropped_in_file(path: Path) -> tuple[Plugin, Importer]:
    name = f"seqlab_dropped_in_{path.stem}"
    try:
        home = Home(name, source=read(path.resolve(), MAX_SOURCE))
    except OSError as error:
        return Plugin(path.stem, path, home=Home(name)), Importer(error)
    return Plugin(path.stem, path, home=home), Importer(home, path)
