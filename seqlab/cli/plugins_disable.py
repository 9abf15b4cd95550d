"""`seqlab plugins disable` and `enable`: leave plugins out until they are wanted again."""

from __future__ import annotations

from collections.abc import Iterable

import click

from seqlab.cli import completing
from seqlab.cli.options import PluginChoice, plugin_options
from seqlab.cli.streams import out
from seqlab.errors import UsageError
from seqlab.printable import one_line, pasted

names_argument = click.argument(
    "names", nargs=-1, required=True, metavar="NAME…", shell_complete=completing.plugins
)


@click.command("disable")
@names_argument
@plugin_options
def disable(names: tuple[str, ...], plugins: PluginChoice) -> None:
    """Leave plugins out of every command in this Python environment, as --no-plugin does.

    A run records it. The choice is kept in a file of your own (it is told), not in the environment.
    """
    from seqlab.registry.disabling import disabled_file, disabled_names, set_disabled

    disabled = disabled_names()
    _expect_known(names, {*_found(plugins), *disabled})
    set_disabled(disabled | {*names})
    for name in dict.fromkeys(names):
        was = "is disabled already" if name in disabled else "is disabled"
        out(one_line(f"{name} {was}; {pasted(['seqlab', 'plugins', 'enable', name])} ends that"))
    out(one_line(f"kept in {disabled_file()}"))


@click.command("enable")
@names_argument
@plugin_options
def enable(names: tuple[str, ...], plugins: PluginChoice) -> None:
    """Load plugins again that were disabled."""
    from seqlab.registry.disabling import disabled_names, set_disabled

    disabled = disabled_names()
    _expect_known(names, {*_found(plugins), *disabled})
    if {*names} & disabled:
        set_disabled(disabled - {*names})
    for name in dict.fromkeys(names):
        was = "is enabled" if name in disabled else "was not disabled"
        out(one_line(f"{name} {was}"))


def _found(plugins: PluginChoice) -> list[str]:
    """The names of all plugins, none of which is imported."""
    from seqlab.registry.discovery import installed
    from seqlab.registry.selection import select

    selection = select(installed(), plugins.folder, local=plugins.local, without=plugins.without)
    return [plugin.name for plugin in (*(p for p, _ in selection.found), *selection.disabled)]


def _expect_known(names: Iterable[str], known: set[str]) -> None:
    from seqlab.registry.option_values import suggest

    for name in names:
        if name not in known:
            raise UsageError(f"no plugin '{name}'{suggest(name, known)}")
