"""`seqlab completion`: let a shell complete what is typed after `seqlab`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from seqlab.cli.streams import data, err, out
from seqlab.errors import UsageError
from seqlab.printable import one_line

SHELLS = ("bash", "zsh", "fish")
shell_argument = click.argument(
    "named", type=click.Choice(SHELLS), required=False, metavar="[bash|zsh|fish]"
)
shell_option = click.option(
    "--shell", type=click.Choice(SHELLS), help="The shell (default: that of $SHELL)."
)


@click.group("completion")
def command() -> None:
    """Let bash, zsh or fish complete commands, runs, checkpoints, keys and their values."""


@command.command("show")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def show(context: click.Context, shell: str | None) -> None:
    """Print the script that a shell reads, and change nothing."""
    from seqlab.cli.shells import script

    data(script(_chosen(shell), context.find_root().command), end="")


@command.command("install")
@shell_argument
@shell_option
@click.pass_context
def install(context: click.Context, named: str | None, shell: str | None) -> None:
    """Install completion for a shell; a second time changes nothing.

    bash and zsh read a line that is added to ~/.bashrc or ~/.zshrc, fish a file in its own folder.
    """
    from seqlab.cli.shell_files import files_of, install_files
    from seqlab.cli.shells import script

    shell = _chosen(shell or named)
    files = files_of(shell)
    for change in install_files(files, script(shell, context.find_root().command)):
        out(one_line(change))
    _know_plugins()
    err(one_line(f"In a new {shell} it is there; in this one after: {files.now}"))


@command.command("uninstall")
@shell_argument
@shell_option
def uninstall(named: str | None, shell: str | None) -> None:
    """Take away what `install` wrote."""
    from seqlab.cli.shell_files import files_of, remove_files

    shell = _chosen(shell or named)
    changes = remove_files(files_of(shell))
    for change in changes:
        out(one_line(change))
    if not changes:
        err(f"There is no completion for {shell} to take away")


def _chosen(shell: str | None) -> str:
    """A shell as it is given, or that of the user."""
    own = Path(os.environ.get("SHELL", "")).name
    if shell is None and own not in SHELLS:
        raise UsageError(f"which shell? Say one of: {', '.join(SHELLS)} (after the command)")
    return shell or own


def _know_plugins() -> None:
    """Let the cache know the plugins that are installed, which completion does not import."""
    from seqlab.registry.kept_plugins import know_plugins

    know_plugins(local=False)
