"""Entry points and dropped-in files in -> plugins out; one that fails affects no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from seqlab import hookspecs
from seqlab.errors import UsageError, WithoutPlugin
from seqlab.interrupts import detecting_ctrl_c, reraise_interrupt
from seqlab.registry.catalogue import PluginChoice, Registry
from seqlab.registry.compatibility import declared_api, why_too_new
from seqlab.registry.discovery import Importer, dropped_in, dropped_in_file, installed
from seqlab.registry.error_summary import reason
from seqlab.registry.kinds import EVENTS, KINDS, Kind
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component, Plugin, Problem
from seqlab.registry.signature import SignatureError, core_names, read_signature

REGISTERS = "seqlab_register_"  # begins the name of every registration hook


@detecting_ctrl_c()
def load_plugins(
    folder: str | Path | None = None,
    *,
    local: bool = True,
    without: Iterable[str] = (),
    files: Iterable[str | Path] = (),
) -> Registry:
    """Load all plugins: installed ones, then the files of a folder, then single files.

    Args:
        folder: of dropped-in files; None: `plugins/` of the working folder, if it exists.
        local: whether dropped-in files are loaded at all.
        without: names of plugins that are left out.
        files: single files that are loaded like dropped-in ones.

    Raises:
        UsageError: `folder` is given and is no folder, or `without` names no plugin.
    """
    manager = pluggy.PluginManager("seqlab")
    manager.add_hookspecs(hookspecs)
    left_out = set(without)
    single = [dropped_in_file(Path(path)) for path in files]
    found = [*installed(), *(dropped_in(folder) if local else ()), *single]
    names = [plugin.name for plugin, _ in found]
    for name in sorted(left_out - {*names}):
        raise UsageError(f"{WithoutPlugin(name)}: no such plugin{suggest(name, names)}")
    plugins = [_load(manager, *pair) for pair in found if pair[0].name not in left_out]
    choice = PluginChoice(None if folder is None else str(folder), local, tuple(sorted(left_out)))
    return Registry(tuple(plugins), choice)


class _Refused(Exception):
    """The plugin as a whole cannot be used; the message says why."""


def _load(manager: pluggy.PluginManager, plugin: Plugin, importer: Importer) -> Plugin:
    begin = time.perf_counter()
    plugin = replace(plugin, home=replace(plugin.home, since=time.time()))
    try:
        if refusal := why_too_new(declared_api(plugin.path)):
            raise _Refused(refusal)
        module = _import(importer)
        plugin = replace(plugin, seconds=time.perf_counter() - begin)
        _register(manager, plugin, module)
    except _Refused as error:
        return plugin.with_problem(Problem(str(error)))
    for kind in KINDS.values():  # each hook of one module by itself, so that origins are known
        for implementation in getattr(manager.hook, kind.hook).get_hookimpls():
            if implementation.plugin is module:
                plugin = _with_components(plugin, kind, implementation.function)
    return plugin


def _import(importer: Importer) -> ModuleType:
    try:
        return importer()
    except BaseException as error:  # a plugin may raise SystemExit, for example
        reraise_interrupt(error)
        raise _Refused(f"cannot be imported: {reason(error)}") from None


def _register(manager: pluggy.PluginManager, plugin: Plugin, module: ModuleType) -> None:
    """Register the module with pluggy; refuse misspelt hooks, events and modules without a hook."""
    if manager.has_plugin(plugin.name):
        raise _Refused("has the name of a plugin that was loaded before; rename one of them")
    if manager.is_registered(module):
        raise _Refused(f"is the same module as plugin '{manager.get_name(module)}'")
    try:
        manager.register(module, plugin.name)
        manager.check_pending()
    except BaseException as error:  # pluggy reads every attribute of the module
        reraise_interrupt(error)
        problem = _hook_error(module, reason(error))
    else:
        hooks = {caller.name for caller in manager.get_hookcallers(module) or []}
        problem = _hooks_problem(hooks, module)
    if problem:
        if manager.is_registered(module):
            manager.unregister(module)
        raise _Refused(problem)


def _hooks_problem(hooks: set[str], module: ModuleType) -> str:
    if not hooks:
        return "implements no hook; is @hookimpl missing?"
    if events := sorted(EVENTS & hooks):
        return (
            f"implements {events[0]} as a hook, but only observers receive events: make it a"
            " method of a class that seqlab_register_observers offers"
        )
    named_as_hooks = {name for name in vars(module) if name.startswith(REGISTERS)}
    if unmarked := sorted(named_as_hooks - hooks):
        return f"has a function '{unmarked[0]}' that is not a hook; is @hookimpl missing?"
    return ""


def _hook_error(module: ModuleType, message: str) -> str:
    known = {kind.hook for kind in KINDS.values()}
    marked = {name for name, value in vars(module).items() if hasattr(value, "seqlab_impl")}
    for name in sorted(marked - known - EVENTS):
        return f"implements '{name}', which is not a hook of seqlab{suggest(name, known)}"
    return message


def _with_components(plugin: Plugin, kind: Kind, hook: Callable[[], Any]) -> Plugin:
    """Add the components that a hook returns, and a problem for each that cannot be used."""
    try:
        returned = hook()
        offers = dict(returned.items()) if isinstance(returned, Mapping) else None
    except BaseException as error:
        reraise_interrupt(error)
        return plugin.with_problem(Problem(f"hook {kind.hook} failed: {reason(error)}"))
    if offers is None or not all(isinstance(name, str) for name in offers):
        problem = f"hook {kind.hook} should return a dict of names and factories"
        return plugin.with_problem(Problem(problem))
    for name, factory in offers.items():
        try:
            component = _component(kind, name, factory, plugin)
            plugin = replace(plugin, components=(*plugin.components, component))
        except SignatureError as error:
            plugin = plugin.with_problem(Problem(str(error), kind.name, name))
        except BaseException as error:  # a factory's docstring or attributes may raise
            reraise_interrupt(error)
            problem = f"cannot be read: {reason(error)}"
            plugin = plugin.with_problem(Problem(problem, kind.name, name))
    return plugin


def _component(kind: Kind, name: str, factory: Any, plugin: Plugin) -> Component:
    signature = read_signature(factory, kind.supplied, core_names(kind.name))
    if kind.name == "observer":
        _check_events(factory)
    return Component(kind.name, name, factory, signature, plugin.name, plugin.home)


def _check_events(factory: Any) -> None:
    """Check that an observer has methods for events, and none that is misspelt."""
    for name in dir(factory):
        if name.startswith("seqlab_") and name not in EVENTS:
            raise SignatureError(
                f"has a method '{name}', which is not an event{suggest(name, EVENTS)}"
            )
    dynamic = hasattr(factory, "__getattr__")
    if isinstance(factory, type) and not dynamic and not any(hasattr(factory, e) for e in EVENTS):
        methods = sorted(n for n in vars(factory) if callable(vars(factory)[n]) and n[0] != "_")
        has = f" (it has: {', '.join(methods)})" if methods else ""
        raise SignatureError(
            f"has no method named as an event, so it would receive none{has}; the events are:"
            f" {', '.join(sorted(EVENTS))}"
        )
