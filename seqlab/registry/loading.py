"""Entry points and dropped-in files in -> plugins out; one that fails affects no other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from seqlab.experiment.kinds import KINDS, Kind
from seqlab.interrupts import detecting_ctrl_c, reraise_interrupt
from seqlab.registry.catalogue import Registry
from seqlab.registry.compatibility import declared_api, why_too_new
from seqlab.registry.declared_kinds import declared_kinds
from seqlab.registry.discovery import Found, Importer, dropped_in_file, installed
from seqlab.registry.error_summary import reason
from seqlab.registry.given import Given, given_plugin
from seqlab.registry.offers import with_components
from seqlab.registry.plugins import Component, Key, Plugin, Problem, Refused
from seqlab.registry.registration import manager_for, register
from seqlab.registry.selection import select

if TYPE_CHECKING:
    from pluggy import PluginManager


@detecting_ctrl_c()
def load_plugins(
    folder: str | Path | None = None,
    *,
    local: bool = True,
    without: Iterable[str] = (),
    files: Iterable[str | Path] = (),
    given: Iterable[Given] = (),
) -> Registry:
    """Load all plugins: installed ones, the files of a folder, single files, and what is given.

    Args:
        folder: of dropped-in files; None: `plugins/` of the working folder, if it exists.
        local: whether dropped-in files are loaded at all.
        without: names of plugins that are left out.
        files: single files that are loaded like dropped-in ones.
        given: classes, whose kind their methods show, and mappings such as
            {"cells": {"mine": factory}}.

    Raises:
        UsageError: `folder` is given and is no folder, or `without` names no plugin.
    """
    classes = list(given)
    asked_for = [dropped_in_file(Path(path)) for path in files]
    asked_for += [given_plugin(classes)] if classes else []
    found, choice, disabled = select(
        installed(), folder, local=local, without=without, asked_for=asked_for
    )
    plugins, kinds, _ = load_found(found)
    return Registry(plugins, choice, kinds, disabled)


class Loaded(NamedTuple):
    """Plugins in order, all kinds, and the names of the plugins that declare some."""

    plugins: tuple[Plugin, ...]
    kinds: Mapping[str, Kind]
    declaring: frozenset[str]


def load_found(found: Iterable[Found], kept: Mapping[Key, Component] | None = None) -> Loaded:
    """Import plugins, and collect what they offer; components in `kept` need not be read."""
    imported = [_imported(*pair) for pair in found]
    kinds, modules, names = _with_kinds(imported)
    manager = manager_for(kinds.values())
    plugins = tuple(_offering(manager, kinds, *each, kept or {}) for each in modules)
    return Loaded(plugins, kinds, names)


Imported: TypeAlias = tuple[Plugin, ModuleType | None]  # None: it was refused


def _imported(plugin: Plugin, importer: Importer) -> Imported:
    begin = time.perf_counter()
    plugin = replace(plugin, home=replace(plugin.home, since=time.time()))
    if refusal := why_too_new(declared_api(plugin.path)):
        return plugin.with_problem(Problem(refusal)), None
    try:
        module = importer()
    except BaseException as error:  # a plugin may raise SystemExit, for example
        reraise_interrupt(error)
        return plugin.with_problem(Problem(f"cannot be imported: {reason(error)}")), None
    return replace(plugin, seconds=time.perf_counter() - begin), module


def _with_kinds(
    imported: Iterable[Imported],
) -> tuple[dict[str, Kind], list[Imported], frozenset[str]]:
    """Add the kinds that plugins declare, so that every hook is known before one is registered."""
    kinds, results, names = dict(KINDS), list[Imported](), set[str]()
    for plugin, module in imported:
        try:
            declared = declared_kinds(plugin, module, kinds) if module else []
            kinds |= {kind.name: kind for kind in declared}
            names |= {plugin.name} if declared else set()
            results.append((plugin, module))
        except Refused as error:
            results.append((plugin.with_problem(Problem(str(error))), None))
    return kinds, results, frozenset(names)


def _offering(
    manager: PluginManager,
    kinds: Mapping[str, Kind],
    plugin: Plugin,
    module: ModuleType | None,
    kept: Mapping[Key, Component],
) -> Plugin:
    """Register a module, and call each of its hooks by itself, so that origins are known."""
    if module is None:
        return plugin
    try:
        register(manager, plugin, module)
    except Refused as error:
        return plugin.with_problem(Problem(str(error)))
    for kind in kinds.values():
        for implementation in getattr(manager.hook, kind.hook).get_hookimpls():
            if implementation.plugin is module:
                plugin = with_components(plugin, kind, implementation.function, kept)
    return plugin
