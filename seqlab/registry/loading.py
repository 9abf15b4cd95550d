"""Entry points and dropped-in files in -> plugins out; one that fails takes only itself down."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from seqlab import hookspecs
from seqlab.errors import UsageError
from seqlab.interrupts import let_pass, telling_apart
from seqlab.registry.catalogue import Registry
from seqlab.registry.checking import suggest
from seqlab.registry.compatibility import too_new, written_for
from seqlab.registry.failures import reason
from seqlab.registry.kinds import EVENTS, KINDS, Kind
from seqlab.registry.plugins import Component, Plugin, Problem
from seqlab.registry.signature import SignatureError, core_names, read_signature

GROUP = "seqlab"
OWN = "seqlab"
REGISTERS = "seqlab_register_"  # begins the name of every hook
AUTOLOAD_OFF = "SEQLAB_DISABLE_PLUGIN_AUTOLOAD"


@telling_apart()
def load_plugins(
    folder: str | Path | None = None,
    *,
    local: bool = True,
    without: Iterable[str] = (),
    files: Iterable[str | Path] = (),
) -> Registry:
    """Load every plugin that can be found: installed ones, then the files of a folder.

    Args:
        folder: where dropped-in files lie; None: `plugins/` of the working folder, if it exists.
        local: whether dropped-in files are loaded at all.
        without: names of plugins that are left out.
        files: single files that are loaded like dropped-in ones.

    Raises:
        UsageError: `folder` is given and is no folder, or `without` names no plugin.
    """
    manager = pluggy.PluginManager("seqlab")
    manager.add_hookspecs(hookspecs)
    left_out = set(without)
    single = [_file(Path(path)) for path in files]
    found = [*_installed(), *(_dropped_in(folder) if local else ()), *single]
    unknown = left_out - {plugin.name for plugin, _ in found}
    if unknown:
        names = [plugin.name for plugin, _ in found]
        raise UsageError(
            f"--no-plugin {min(unknown)}: no such plugin{suggest(min(unknown), names)}"
        )
    plugins = [
        _load(manager, plugin, importer)
        for plugin, importer in found
        if plugin.name not in left_out
    ]
    return Registry(tuple(plugins), tuple(_options(folder, local, sorted(left_out))))


def _options(folder: str | Path | None, local: bool, without: Iterable[str]) -> Iterator[str]:
    if folder is not None:
        yield from ("--plugins", str(folder))
    if not local:
        yield "--no-local-plugins"
    for name in without:
        yield from ("--no-plugin", name)


class _Importer:
    """Imports one plugin's module; building it runs nothing of the plugin."""

    def __init__(self, source: EntryPoint | ModuleSpec | Exception) -> None:
        self.source = source

    def __call__(self) -> ModuleType:
        if isinstance(self.source, Exception):
            raise self.source
        if not isinstance(self.source, ModuleSpec):  # of whatever class: there is a backport
            loaded = self.source.load()
            if not isinstance(loaded, ModuleType):
                raise TypeError(f"entry point '{self.source.value}' is not a module")
            return loaded
        module = module_from_spec(self.source)
        sys.modules[self.source.name] = module  # before execution: dataclasses look there
        assert self.source.loader is not None  # noqa: S101 # spec_from_file_location gave one
        self.source.loader.exec_module(module)
        return module


def _installed() -> Iterator[tuple[Plugin, _Importer]]:
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


def _entry_points(name: str, distribution: Distribution) -> Iterator[tuple[Plugin, _Importer]]:
    """The plugins of one distribution; one whose entry points cannot be read is a failed plugin."""
    try:
        points = distribution.entry_points.select(group=GROUP)
        version = distribution.metadata["Version"] or ""
    except Exception as error:
        failed = Plugin(name, None, name, "")
        yield failed, _Importer(TypeError(f"its entry points are damaged: {reason(error)}"))
        return
    for point in points:
        yield Plugin(point.name, _module_path(point), name, version), _Importer(point)


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


def _dropped_in(folder: str | Path | None) -> Iterator[tuple[Plugin, _Importer]]:
    place = Path("plugins" if folder is None else folder)
    if not place.is_dir():
        if folder is not None:
            raise UsageError(f"--plugins {folder}: is not a folder")
        return
    yield from map(_file, sorted(place.glob("[!_.]*.py")))


def _file(path: Path) -> tuple[Plugin, _Importer]:
    spec = spec_from_file_location(f"seqlab_dropped_in_{path.stem}", path)
    assert spec is not None  # noqa: S101 # a name that ends with .py always has a loader
    return Plugin(path.stem, path), _Importer(spec)


def _load(manager: pluggy.PluginManager, plugin: Plugin, importer: _Importer) -> Plugin:
    begun = time.perf_counter()
    refusal = too_new(written_for(plugin.path))
    if refusal:
        return plugin.with_problem(Problem(refusal))
    try:
        module = importer()
    except BaseException as error:  # a plugin may raise SystemExit, or what it likes
        let_pass(error)
        return plugin.with_problem(Problem(f"cannot be imported: {reason(error)}"))
    plugin = replace(plugin, seconds=time.perf_counter() - begun)
    try:
        _register(manager, plugin, module)
        offers = list(_offers(manager, module))
    except _Refused as error:
        return plugin.with_problem(Problem(str(error)))
    return _with_components(plugin, offers)


class _Refused(Exception):
    """The plugin as a whole cannot be used, for the reason that is the message."""


def _register(manager: pluggy.PluginManager, plugin: Plugin, module: ModuleType) -> None:
    """Hand the module to pluggy; refuse misspelt hooks, events and modules without a hook."""
    if manager.has_plugin(plugin.name):
        raise _Refused("has the name of a plugin that was loaded before; rename one of them")
    if manager.is_registered(module):
        raise _Refused(f"is the same module as plugin '{manager.get_name(module)}'")
    try:
        manager.register(module, plugin.name)
        manager.check_pending()
    except BaseException as error:  # pluggy looks at every name of the module
        let_pass(error)
        if manager.is_registered(module):
            manager.unregister(module)
        raise _Refused(_say_hook_error(module, reason(error))) from None
    hooks = {caller.name for caller in manager.get_hookcallers(module) or []}
    wrong = _wrong_with(hooks, module)
    if wrong:
        manager.unregister(module)
        raise _Refused(wrong)


def _wrong_with(hooks: set[str], module: ModuleType) -> str:
    if not hooks:
        return "implements no hook; is @hookimpl missing?"
    if events := sorted(EVENTS & hooks):
        return (
            f"implements {events[0]} as a hook; events are told to observers: make it a method of"
            " a class that seqlab_register_observers offers"
        )
    meant = {name for name in vars(module) if name.startswith(REGISTERS)}
    if unmarked := sorted(meant - hooks):
        return f"has a function '{unmarked[0]}' that is no hook; is @hookimpl missing?"
    return ""


def _say_hook_error(module: ModuleType, message: str) -> str:
    known = {kind.hook for kind in KINDS.values()}
    written = [name for name in vars(module) if hasattr(vars(module)[name], "seqlab_impl")]
    for name in sorted(set(written) - known - EVENTS):
        return f"implements '{name}', which is no hook of seqlab{suggest(name, known)}"
    return " ".join(message.split())


def _offers(
    manager: pluggy.PluginManager, module: ModuleType
) -> Iterator[tuple[Kind, str, Any, str]]:
    """Call each hook of one module by itself, so that every offer's origin is known."""
    for kind in KINDS.values():
        for implementation in getattr(manager.hook, kind.hook).get_hookimpls():
            if implementation.plugin is module:
                yield from _call(kind, implementation.function)


def _call(kind: Kind, function: Any) -> Iterator[tuple[Kind, str, Any, str]]:
    try:
        offered = function()
        offers = list(offered.items()) if isinstance(offered, Mapping) else None
    except BaseException as error:
        let_pass(error)
        yield kind, "", None, f"hook {kind.hook} failed: {reason(error)}"
        return
    if offers is None or not all(isinstance(name, str) for name, _ in offers):
        yield kind, "", None, f"hook {kind.hook} should return a dict of names and factories"
        return
    for name, factory in offers:
        yield kind, name, factory, ""


def _with_components(plugin: Plugin, offers: Iterable[tuple[Kind, str, Any, str]]) -> Plugin:
    components: list[Component] = []
    problems: list[Problem] = []
    for kind, name, factory, failure in offers:
        try:
            if failure:
                problems.append(Problem(failure))
                continue
            components.append(_component(kind, name, factory, plugin.name))
        except SignatureError as error:
            problems.append(Problem(str(error), kind.name, name))
        except BaseException as error:  # a factory may have a docstring or attributes that raise
            let_pass(error)
            problems.append(Problem(f"cannot be looked at: {reason(error)}", kind.name, name))
    return replace(plugin, components=tuple(components), problems=tuple(problems))


def _component(kind: Kind, name: str, factory: Any, plugin: str) -> Component:
    signature = read_signature(factory, kind.supplied, core_names(kind.name))
    if kind.name == "observer":
        _check_events(factory)
    return Component(kind.name, name, factory, signature, plugin)


def _check_events(factory: Any) -> None:
    for name in dir(factory):
        if name.startswith("seqlab_") and name not in EVENTS:
            raise SignatureError(f"has a method '{name}', which is no event{suggest(name, EVENTS)}")
