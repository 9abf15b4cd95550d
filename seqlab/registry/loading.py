"""Entry points and dropped-in files in -> plugins out; one that fails takes only itself down."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from seqlab import hookspecs
from seqlab.errors import UsageError
from seqlab.interrupts import let_pass, telling_apart
from seqlab.registry.catalogue import Registry
from seqlab.registry.compatibility import too_new, written_for
from seqlab.registry.discovery import Importer, dropped_in, dropped_in_file, installed
from seqlab.registry.error_summary import reason
from seqlab.registry.kinds import EVENTS, KINDS, Kind
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component, Plugin, Problem
from seqlab.registry.signature import SignatureError, core_names, read_signature

REGISTERS = "seqlab_register_"  # begins the name of every hook


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
    single = [dropped_in_file(Path(path)) for path in files]
    found = [*installed(), *(dropped_in(folder) if local else ()), *single]
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


def _load(manager: pluggy.PluginManager, plugin: Plugin, importer: Importer) -> Plugin:
    begun = time.perf_counter()
    plugin = replace(plugin, home=replace(plugin.home, since=time.time()))
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
            components.append(_component(kind, name, factory, plugin))
        except SignatureError as error:
            problems.append(Problem(str(error), kind.name, name))
        except BaseException as error:  # a factory may have a docstring or attributes that raise
            let_pass(error)
            problems.append(Problem(f"cannot be looked at: {reason(error)}", kind.name, name))
    return replace(plugin, components=tuple(components), problems=tuple(problems))


def _component(kind: Kind, name: str, factory: Any, plugin: Plugin) -> Component:
    signature = read_signature(factory, kind.supplied, core_names(kind.name))
    if kind.name == "observer":
        _check_events(factory)
    return Component(kind.name, name, factory, signature, plugin.name, plugin.home)


def _check_events(factory: Any) -> None:
    """See to it that an observer hears something, if its class can be looked at.

    Raises:
        SignatureError: it has a method that is named like an event and is none, or no event at all.
    """
    for name in dir(factory):
        if name.startswith("seqlab_") and name not in EVENTS:
            raise SignatureError(f"has a method '{name}', which is no event{suggest(name, EVENTS)}")
    dynamic = hasattr(factory, "__getattr__")
    if isinstance(factory, type) and not dynamic and not any(hasattr(factory, e) for e in EVENTS):
        methods = sorted(n for n in vars(factory) if callable(vars(factory)[n]) and n[0] != "_")
        has = f" (it has: {', '.join(methods)})" if methods else ""
        raise SignatureError(
            f"has no method named as an event, so it would hear nothing{has}; the events are:"
            f" {', '.join(sorted(EVENTS))}"
        )
