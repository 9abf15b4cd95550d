"""A plugin's hooks in -> the components that it offers, and a problem for each that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from seqlab.experiment.kinds import Kind
from seqlab.hookspecs import EVENTS
from seqlab.interrupts import reraise_interrupt
from seqlab.registry.error_summary import reason
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component, Key, Plugin, Problem
from seqlab.registry.signature import SignatureError, component_signature


def with_components(
    plugin: Plugin, kind: Kind, hook: Callable[[], Any], kept: Mapping[Key, Component]
) -> Plugin:
    """Add the components that a hook returns, and a problem for each that cannot be used.

    Those in `kept` are taken as they are there.
    """
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
            known = kept.get((plugin.name, kind.name, name))
            component = known or _component(kind, name, factory, plugin)
            plugin = replace(plugin, components=(*plugin.components, component))
        except SignatureError as error:
            plugin = plugin.with_problem(Problem(str(error), kind.name, name))
        except BaseException as error:  # a factory's docstring or attributes may raise
            reraise_interrupt(error)
            problem = f"cannot be read: {reason(error)}"
            plugin = plugin.with_problem(Problem(problem, kind.name, name))
    return plugin


def _component(kind: Kind, name: str, factory: Any, plugin: Plugin) -> Component:
    signature = component_signature(factory, kind)
    if kind.name == "observer":
        _check_events(factory)
    return Component(kind, name, factory, signature, plugin.name, plugin.home)


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
