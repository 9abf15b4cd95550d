"""Entry points and dropped-in files in -> plugins out; one that fails affects no other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from seqlab.errors import UsageError, WithoutPlugin
from seqlab.experiment.kinds import KINDS, Kind
from seqlab.interrupts import detecting_ctrl_c, reraise_interrupt
from seqlab.registry.catalogue import PluginChoice, Registry
from seqlab.registry.compatibility import declared_api, why_too_new
from seqlab.registry.declared_kinds import declared_kinds
from seqlab.registry.discovery import Importer, dropped_in, dropped_in_file, installed
from seqlab.registry.error_summary import reason
from seqlab.registry.given import Given, given_plugin
from seqlab.registry.offers import with_components
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Plugin, Problem, Refused
from seqlab.registry.registration import manager_for, register

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
    left_out = set(without)
    single = [dropped_in_file(Path(path)) for path in files]
    found = [*installed(), *(dropped_in(folder) if local else ()), *single]
    found += [given_plugin(classes)] if (classes := list(given)) else []
    names = [plugin.name for plugin, _ in found]
    for name in sorted(left_out - {*names}):
        raise UsageError(f"{WithoutPlugin(name)}: no such plugin{suggest(name, names)}")
    imported = [_imported(*pair) for pair in found if pair[0].name not in left_out]
    kinds, declaring = _with_kinds(imported)
    manager = manager_for(kinds.values())
    plugins = [_offering(manager, kinds, plugin, module) for plugin, module in declaring]
    choice = PluginChoice(None if folder is None else str(folder), local, tuple(sorted(left_out)))
    return Registry(tuple(plugins), choice, kinds)


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


def _with_kinds(imported: Iterable[Imported]) -> tuple[dict[str, Kind], list[Imported]]:
    """Add the kinds that plugins declare, so that every hook is known before one is registered."""
    kinds, results = dict(KINDS), list[Imported]()
    for plugin, module in imported:
        try:
            declared = declared_kinds(plugin, module, kinds) if module else []
            kinds |= {kind.name: kind for kind in declared}
            results.append((plugin, module))
        except Refused as error:
            results.append((plugin.with_problem(Problem(str(error))), None))
    return kinds, results


def _offering(
    manager: PluginManager, kinds: Mapping[str, Kind], plugin: Plugin, module: ModuleType | None
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
                plugin = with_components(plugin, kind, implementation.function)
    return plugin
