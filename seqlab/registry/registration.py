"""Modules in -> plugins that pluggy knows, or the reason why one is refused."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

import pluggy

from seqlab import hookspecs
from seqlab.experiment.kinds import KINDS, Kind
from seqlab.hookspecs import EVENTS
from seqlab.interrupts import reraise_interrupt
from seqlab.registry.error_summary import reason
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Plugin, Refused

REGISTERS = "seqlab_register_"  # begins the name of every registration hook of seqlab


def manager_for(kinds: Iterable[Kind]) -> pluggy.PluginManager:
    """Return a manager that knows every hook of seqlab, and those of further kinds."""
    manager = pluggy.PluginManager("seqlab")
    manager.add_hookspecs(hookspecs)
    further = [kind for kind in kinds if kind.name not in KINDS]
    if further:
        manager.add_hookspecs(type("Further", (), {kind.hook: _spec(kind) for kind in further}))
    return manager


def _spec(kind: Kind) -> object:
    def hook() -> None:
        pass

    hook.__doc__ = f"Offer {kind.plural} by name."
    return hookspecs.hookspec(hook)


def register(manager: pluggy.PluginManager, plugin: Plugin, module: ModuleType) -> None:
    """Register the module with pluggy; refuse misspelt hooks, events and modules without a hook."""
    if manager.has_plugin(plugin.name):
        raise Refused("has the name of a plugin that was loaded before; rename one of them")
    if manager.is_registered(module):
        raise Refused(f"is the same module as plugin '{manager.get_name(module)}'")
    try:
        manager.register(module, plugin.name)
        manager.check_pending()
    except BaseException as error:  # pluggy reads every attribute of the module
        reraise_interrupt(error)
        problem = _hook_error(manager, module, reason(error))
    else:
        hooks = {caller.name for caller in manager.get_hookcallers(module) or []}
        problem = _hooks_problem(hooks, module)
    if problem:
        if manager.is_registered(module):
            manager.unregister(module)
        raise Refused(problem)


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


def _hook_error(manager: pluggy.PluginManager, module: ModuleType, message: str) -> str:
    hooks = {name: hook for name, hook in vars(manager.hook).items() if name[0] != "_"}
    known = {name for name, hook in hooks.items() if hook.has_spec()} - EVENTS
    marked = {name for name, value in vars(module).items() if hasattr(value, "seqlab_impl")}
    for name in sorted(marked - known - EVENTS):
        return f"implements '{name}', which is not a hook of seqlab{suggest(name, known)}"
    return message
