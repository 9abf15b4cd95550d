"""All plugins, and the component that a name refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from seqlab.errors import WithoutPlugin
from seqlab.experiment.kinds import KINDS, Kind
from seqlab.registry.option import Option
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Component, Plugin, component_label
from seqlab.registry.signature import Signature, read_signature


class NotFound(LookupError):
    """No usable component has the name; `plugin_at_fault`: because a plugin failed."""

    def __init__(self, message: str, *, plugin_at_fault: bool = False) -> None:
        super().__init__(message)
        self.plugin_at_fault = plugin_at_fault


@dataclass(frozen=True)
class PluginChoice:
    """What `load_plugins` was asked for: its `folder`, `local` and `without`."""

    folder: str | None = None
    local: bool = True
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """The plugins as they were loaded; `choice` loads the same ones again.

    `kinds` are those of seqlab, and those that plugins declare. `disabled` plugins were found and
    not loaded. `known` are signatures of dataclasses that need not be read.
    """

    plugins: tuple[Plugin, ...]
    choice: PluginChoice = PluginChoice()
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    disabled: tuple[Plugin, ...] = ()
    known: Mapping[type, Signature] = field(default_factory=dict)

    def signature_of(self, cls: type) -> Signature:
        """The signature of a dataclass of keys: as it is known already, or read."""
        return self.known.get(cls) or read_signature(cls)

    def core_options(self, kind: Kind) -> Mapping[str, Option]:
        """The keys that the core reads in the section of a kind, whatever the component."""
        return self.signature_of(kind.section.keys).options if kind.section.keys else {}

    @cached_property
    def _offers(self) -> dict[tuple[str, str], list[Component]]:
        offers: dict[tuple[str, str], list[Component]] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                offers.setdefault((component.kind, component.name), []).append(component)
        return offers

    def components(self, kind: str) -> list[Component]:
        """Every usable component of a kind, sorted by name."""
        return [
            offers[0]
            for key, offers in sorted(self._offers.items(), key=lambda item: item[0])
            if key[0] == kind and len(offers) == 1
        ]

    def plugin(self, name: str) -> Plugin:
        """The plugin of that name, which must exist."""
        return next(plugin for plugin in self.plugins if plugin.name == name)

    def find(self, kind: str, name: str) -> Component:
        """Return the component of a kind and a name.

        Raises:
            NotFound: the name is unknown, two plugins offer it, or its plugin failed.
        """
        offers = self._offers.get((kind, name), [])
        if len(offers) == 1:
            return offers[0]
        if offers:
            raise NotFound(self._clash_message(kind, name), plugin_at_fault=True)
        self._check_failed_plugins(kind, name)
        message = f"unknown {component_label(kind, name)}"
        known = [component.name for component in self.components(kind)]
        raise NotFound(f"{message}{suggest(name, known)}{self._failed_note()}")

    def clashes(self) -> Iterable[str]:
        """One sentence for each name that two plugins offer."""
        for (kind, name), offers in self._offers.items():
            if len(offers) > 1:
                yield self._clash_message(kind, name)

    def problems(self) -> Iterable[str]:
        """One sentence for each problem while loading."""
        for plugin in self.plugins:
            for problem in plugin.problems:
                yield f"plugin {plugin.label}: {problem}"
        yield from self.clashes()

    def _clash_message(self, kind: str, name: str) -> str:
        owners = [self.plugin(component.plugin) for component in self._offers[kind, name]]
        names = " and ".join(plugin.label for plugin in owners)
        return (
            f"{component_label(kind, name)} is offered by {names}; run with {WithoutPlugin('NAME')}"
        )

    def _check_failed_plugins(self, kind: str, name: str) -> None:
        for plugin in self.plugins:
            for problem in plugin.problems:
                exact = (problem.kind, problem.name) == (kind, name)
                if exact or (not problem.kind and plugin.may_offer(name)):
                    raise NotFound(
                        f"{component_label(kind, name)} cannot be loaded: plugin {plugin.label}"
                        f" failed: {problem}",
                        plugin_at_fault=True,
                    )

    def _failed_note(self) -> str:
        failed = [f"'{plugin.name}'" for plugin in self.plugins if plugin.problems]
        disabled = [f"'{plugin.name}'" for plugin in self.disabled]
        note = f" (plugins that failed: {', '.join(failed)})" if failed else ""
        return note + (f" (plugins that are disabled: {', '.join(disabled)})" if disabled else "")
