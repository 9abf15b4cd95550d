"""Plugins as the cache knows them: what can be told of them without importing them.

What a plugin's signatures say is kept under all that it follows from: the interpreter, what is
installed, the source of seqlab, of the plugin's package, and of every library without a version
that it imports. A plugin that fails, that declares kinds, or whose defaults JSON cannot hold is not
kept, and imported each time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import is_dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seqlab.errors import PluginError
from seqlab.experiment import sections
from seqlab.experiment.kinds import KINDS, Kind
from seqlab.interrupts import detecting_ctrl_c
from seqlab.registry import kept_options
from seqlab.registry.catalogue import Registry
from seqlab.registry.discovery import (
    Found,
    Offering,
    Point,
    found_in,
    offerings,
    top_package,
)
from seqlab.registry.kept_conditions import Conditions, source_hash
from seqlab.registry.kept_entries import Entry, write_entry
from seqlab.registry.kept_types import KNOWN, NotKept
from seqlab.registry.plugins import Component, Key, Plugin
from seqlab.registry.selection import select
from seqlab.registry.signature import Signature, read_signature

if TYPE_CHECKING:
    from seqlab.registry.loading import Loaded

Held: TypeAlias = Mapping[str, Entry | None]
"""By what an entry is about; None: there is none that holds."""
DAMAGE = (NotKept, ValueError, TypeError, LookupError, AttributeError, RecursionError)


@detecting_ctrl_c()
def know_plugins(
    folder: str | Path | None = None,
    *,
    local: bool = True,
    without: Iterable[str] = (),
    imported: Container[Key] = (),
    importing: bool = True,
) -> Registry:
    """Return the plugins that `load_plugins` would load, importing those alone that it must.

    Components that are not imported can be described and their options checked; they cannot be
    built.

    Args:
        folder: as `load_plugins` takes it, `local` and `without` too.
        local: see above.
        without: see above.
        imported: components that are imported whether the cache knows them or not.
        importing: False: import nothing, and leave out the plugins that the cache does not know.

    Raises:
        UsageError: as `load_plugins` does.
    """
    conditions = Conditions()
    installed = found_in(_offerings(conditions))
    found, choice, disabled = select(installed, folder, local=local, without=without)
    groups = {_about(plugin): source_hash(plugin.home.source) for plugin, _ in found}
    held = {about: conditions.kept(about, source) for about, source in groups.items()}
    decoded = dict(_known(found, held))
    wanted = {c.plugin for p in decoded.values() for c in p.components if c.key in imported}
    known = {name: plugin for name, plugin in decoded.items() if name not in wanted}
    described = (c for name in wanted for c in decoded[name].components if c.key not in imported)
    kept = {component.key: component for component in described}
    rest = [each for each in found if each[0].name not in known]
    kinds: Mapping[str, Kind] = KINDS
    loaded: Iterator[Plugin] = iter(())
    if not importing:
        found = [each for each in found if each[0].name in known]
    elif rest:
        result = _load_and_keep(rest, conditions, held, decoded, kept)
        kinds, loaded = result.kinds, iter(result.plugins)
    plugins = tuple(known.get(plugin.name) or next(loaded) for plugin, _ in found)
    return Registry(plugins, choice, kinds, disabled, _core_keys(conditions))


def _about(plugin: Plugin) -> str:
    """One entry for all plugins of a distribution, and one for each file."""
    if plugin.distribution:
        return f"distribution {plugin.distribution} {plugin.version}"
    path = plugin.path or Path()
    return f"file {path.absolute()} as {path}"  # locations are told as the path is given


def _unique(found: Iterable[Found]) -> Iterator[Found]:
    """Those that share neither name nor module with another one, which loading would refuse."""
    plugins = [plugin for plugin, _ in found]
    names = [plugin.name for plugin in plugins]
    modules = [plugin.home.module for plugin in plugins]
    for plugin, importer in found:
        if names.count(plugin.name) == 1 and modules.count(plugin.home.module) == 1:
            yield plugin, importer


def _known(found: Iterable[Found], held: Held) -> Iterator[tuple[str, Plugin]]:
    for plugin, importer in _unique(found):
        entry = held[_about(plugin)]
        with suppress(*DAMAGE):
            if entry and plugin.name in entry.content:
                yield plugin.name, _decode(entry.content[plugin.name], plugin, importer)


def _decode(kept: Any, plugin: Plugin, importer: Callable[[], Any]) -> Plugin:
    load = cache(partial(_load_one, (plugin, importer)))
    components = []
    for item in kept["components"]:
        of, name = KINDS[item["kind"]], str(item["name"])
        label = f"{of.name} '{name}' of plugin '{plugin.name}'"
        real = partial(_real_signature, load, of.name, name)
        signature = kept_options.decode(item["signature"], label, real)
        factory = signature.factory
        components.append(Component(of, name, factory, signature, plugin.name, plugin.home))
    return replace(plugin, components=tuple(components), seconds=float(kept["seconds"]))


def _load_one(found: Found) -> Plugin:
    from seqlab.registry.loading import load_found

    (plugin,) = load_found([found]).plugins
    if plugin.problems:
        raise PluginError(*(f"plugin {plugin.label}: {problem}" for problem in plugin.problems))
    return plugin


def _real_signature(load: Callable[[], Plugin], kind: str, name: str) -> Signature:
    return next(c.signature for c in load().components if (c.kind, c.name) == (kind, name))


def _load_and_keep(
    rest: list[Found],
    conditions: Conditions,
    held: Held,
    decoded: Container[str],
    kept: Mapping[Key, Component],
) -> Loaded:
    """Import plugins, and keep what was not kept of them under what was there before."""
    from seqlab.registry.loading import load_found

    groups: dict[str, list[Plugin]] = {}
    for plugin, _ in rest:
        groups.setdefault(_about(plugin), []).append(plugin)
    entries = {
        about: held[about] or _present(about, plugins, conditions)
        for about, plugins in groups.items()
    }
    loaded = load_found(rest, kept)
    for about, entry in entries.items():
        new = [p for p in loaded.plugins if _about(p) == about and p.name not in decoded]
        if entry is not None:
            _keep(entry, new, loaded.declaring)
    return loaded


def _present(about: str, plugins: list[Plugin], conditions: Conditions) -> Entry | None:
    source = plugins[0].home.source
    tops = () if source is not None else {top_package(p.home.module) for p in plugins}
    return conditions.present(about, sorted(tops), source)


def _keep(entry: Entry, plugins: Iterable[Plugin], declaring: frozenset[str]) -> None:
    content = dict(entry.content) if isinstance(entry.content, dict) else {}
    for plugin in plugins:
        with suppress(NotKept, OSError):
            if not plugin.problems and plugin.name not in declaring:
                content[plugin.name] = _encode(plugin)
    if content != entry.content:
        write_entry(replace(entry, content=content))


def _encode(plugin: Plugin) -> dict[str, Any]:
    """Return a plugin as JSON values; raises NotKept where that cannot be done."""
    if any(component.kind not in KINDS for component in plugin.components):
        raise NotKept("a kind that seqlab does not have")
    components = [
        {"kind": c.kind, "name": c.name, "signature": kept_options.encode(c.signature)}
        for c in plugin.components
    ]
    return {"seconds": plugin.seconds, "components": components}


def _offerings(conditions: Conditions) -> list[Offering]:
    """The distributions with plugins; they are looked for anew when anything was installed."""
    about = "entry points"
    with suppress(*DAMAGE):
        if entry := conditions.kept(about):
            return [
                Offering(str(name), str(version), tuple(Point(str(n), str(v)) for n, v in points))
                for name, version, points in entry.content
            ]
    found = offerings()
    damaged = any(offering.damage for offering in found)
    if not damaged and (entry := conditions.present(about, ())):
        rows = [[name, release, [[*p] for p in points]] for name, release, points, _ in found]
        write_entry(replace(entry, content=rows))
    return found


def _core_keys(conditions: Conditions) -> Mapping[type, Signature]:
    """The signatures of the dataclasses of the core, whose keys experiments have."""
    of_core = (value for value in KNOWN.values() if isinstance(value, type))
    classes = [c for c in of_core if is_dataclass(c) and c.__module__ == sections.__name__]
    with suppress(*DAMAGE):
        if entry := conditions.kept("keys of the core"):
            return {cls: _decode_keys(cls, entry.content[cls.__name__]) for cls in classes}
    if entry := conditions.present("keys of the core", ()):
        content = {c.__name__: kept_options.encode_keys(read_signature(c)) for c in classes}
        write_entry(replace(entry, content=content))
    return {}


def _decode_keys(cls: type, kept: Any) -> Signature:
    return kept_options.decode_keys(cls, kept, partial(read_signature, cls))
