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
    further: Iterable[Found] = (),
) -> Selection:
    """Find what is dropped in beside what is installed, and leave out what is not wanted.

    Raises:
        UsageError: `folder` is given and is no folder, or `without` names no plugin.
    """
    found = [*installed, *(dropped_in(folder) if local else ()), *further]
    left_out, names = {*without}, [plugin.name for plugin, _ in found]
    for name in sorted(left_out - {*names}):
        raise UsageError(f"{WithoutPlugin(name)}: no such plugin{suggest(name, names)}")
    off = disabled_names() & {*names} - left_out
    choice = PluginChoice(
        None if folder is None else str(folder), local, tuple(sorted(left_out | off))
    )
    return Selection(
        [(plugin, importer) for plugin, importer in found if plugin.name not in left_out | off],
        choice,
        tuple(plugin for plugin, _ in found if plugin.name in off),
    )
