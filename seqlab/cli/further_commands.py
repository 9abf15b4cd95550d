"""Commands of other packages: entry points of `seqlab.commands`, listed without an import."""

from __future__ import annotations

from collections.abc import Container
from importlib.metadata import EntryPoint, entry_points

import click

from seqlab.errors import PluginError
from seqlab.interrupts import reraise_interrupt

GROUP = "seqlab.commands"


def further_commands(taken: Container[str]) -> dict[str, list[EntryPoint]]:
    """Return the entry points of each name; `taken` are names of seqlab's own commands."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        if point.name not in taken:
            found.setdefault(point.name, []).append(point)
    return dict(sorted(found.items()))


def origin(point: EntryPoint) -> str:
    """The distribution that brings a command, and its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def load_command(name: str, points: list[EntryPoint]) -> click.Command:
    """Import a command.

    Raises:
        PluginError: it cannot be imported, is no command of click, or two packages bring it.
    """
    if len(points) > 1:
        owners = " and ".join(map(origin, points))
        raise PluginError(f"command '{name}' is brought by {owners}; uninstall one of them")
    (point,) = points
    try:
        command = point.load()
    except BaseException as error:
        reraise_interrupt(error)
        from seqlab.registry.error_summary import reason

        message = f"command '{name}' of {origin(point)} cannot be loaded: {reason(error)}"
        raise PluginError(message) from error
    if not isinstance(command, click.Command):
        raise PluginError(
            f"command '{name}' of {origin(point)} should be a click.Command, and is {command!r:.60}"
        )
    return command
