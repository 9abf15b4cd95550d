"""What is found, but for what is left out or disabled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from seqlab.errors import UsageError, WithoutPlugin
from seqlab.registry.catalogue import PluginChoice
from seqlab.registry.disabling import disabled_names
from seqlab.registry.discovery import Found, dropped_in
from seqlab.registry.option_values import suggest
from seqlab.registry.plugins import Plugin


class Selection(NamedTuple):
    """What is to be loaded, the choice that it follows from, and what is disabled."""

    found: list[Found]
    choice: PluginChoice
    disabled: tuple[Plugin, ...]


def select(
    installed: Iterable[Found],
    folder: str | Path | None,
    *,
    local: bool,
    without: Iterable[str],
    asked_for: Iterable[Found] = (),
) -> Selection:
    """Find what is dropped in beside what is installed, and leave out what is not wanted.

    What is `asked_for` by itself is not disabled, whatever its name.

    Raises:
        UsageError: `folder` is given and is no folder, or `without` names no plugin.
    """
    asked_for = list(asked_for)
    found = [*installed, *(dropped_in(folder) if local else ()), *asked_for]
    left_out, names = {*without}, [plugin.name for plugin, _ in found]
    for name in sorted(left_out - {*names}):
        raise UsageError(f"{WithoutPlugin(name)}: no such plugin{suggest(name, names)}")
    off = (disabled_names() & {*names}) - left_out - {plugin.name for plugin, _ in asked_for}
    out = left_out | off
    choice = PluginChoice(None if folder is None else str(folder), local, tuple(sorted(out)))
    kept = [(plugin, importer) for plugin, importer in found if plugin.name not in out]
    return Selection(kept, choice, tuple(plugin for plugin, _ in found if plugin.name in off))
