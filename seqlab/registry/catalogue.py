"""All plugins that were found, and the one component that a name stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component, Plugin


class NotFound(LookupError):
    """A name stands for no component that can be used; `plugin_at_fault` if one failed over it."""

    def __init__(self, message: str, *, plugin_at_fault: bool = False) -> None:
        super().__init__(message)
        self.plugin_at_fault = plugin_at_fault


@dataclass(frozen=True)
class Registry:
    """A value: what was found when it was loaded. Nothing is global.

    `options` are those with which a command finds the same again.
    """

    plugins: tuple[Plugin, ...]
    options: tuple[str, ...] = ()

    @cached_property
    def _offers(self) -> dict[tuple[str, str], list[Component]]:
        offers: dict[tuple[str, str], list[Component]] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                offers.setdefault((component.kind, component.name), []).append(component)
        return offers

    def components(self, kind: str) -> list[Component]:
        """Every component of a kind that can be used, by name."""
        usable = [
            found[0] for key, found in self._offers.items() if key[0] == kind and len(found) == 1
        ]
        return sorted(usable, key=lambda component: component.name)

    def plugin(self, name: str) -> Plugin:
        """The plugin of that name, which must be one of this registry's."""
        return next(plugin for plugin in self.plugins if plugin.name == name)

    def find(self, kind: str, name: str) -> Component:
        """Return the component that a name stands for.

        Raises:
            NotFound: an unknown name, one that two plugins offer, or one of a plugin that failed.
        """
        offers = self._offers.get((kind, name), [])
        if len(offers) == 1:
            return offers[0]
        if offers:
            raise NotFound(self._clash_message(kind, name), plugin_at_fault=True)
        self._blame_failed_plugin(kind, name)
        message = f"unknown {kind} '{name}'"
        known = [component.name for component in self.components(kind)]
        raise NotFound(f"{message}{suggest(name, known)}{self._failed_note()}")

    def clashes(self) -> Iterable[str]:
        """One sentence for each name that two plugins offer."""
        for (kind, name), found in self._offers.items():
            if len(found) > 1:
                yield self._clash_message(kind, name)

    def problems(self) -> Iterable[str]:
        """One sentence for everything that went wrong while loading."""
        for plugin in self.plugins:
            for problem in plugin.problems:
                yield f"plugin '{plugin.name}' ({plugin.origin}): {problem}"
        yield from self.clashes()

    def _clash_message(self, kind: str, name: str) -> str:
        owners = [self.plugin(component.plugin) for component in self._offers[kind, name]]
        said = " and ".join(f"'{plugin.name}' ({plugin.origin})" for plugin in owners)
        return f"{kind} '{name}' is offered by {said}; switch one off with --no-plugin NAME"

    def _blame_failed_plugin(self, kind: str, name: str) -> None:
        for plugin in self.plugins:
            for problem in plugin.problems:
                exact = (problem.kind, problem.name) == (kind, name)
                if exact or (not problem.kind and plugin.may_offer(name)):
                    raise NotFound(
                        f"{kind} '{name}' is not to be had: plugin '{plugin.name}'"
                        f" ({plugin.origin}) failed: {problem}",
                        plugin_at_fault=True,
                    )

    def _failed_note(self) -> str:
        failed = [f"'{plugin.name}'" for plugin in self.plugins if plugin.problems]
        return f" (plugins that failed: {', '.join(failed)})" if failed else ""
