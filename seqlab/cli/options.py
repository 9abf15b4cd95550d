"""Options that several verbs have, and the tables that they print."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from seqlab.cli.streams import data, err
from seqlab.errors import PluginError
from seqlab.printable import cell, json_text

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.runs.saved_parts import Which

log = logging.getLogger(__name__)


class PathType(click.ParamType[Path]):
    """A path that was named: an empty text is none."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not value:
            self.fail("is empty; give a path (the working folder is .)", param, ctx)
        return Path(value)


PATH = PathType()


class Whole(click.IntRange):
    """A whole number in digits of ASCII; Python reads those of any script."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not value.isascii():
            self.fail(f"{value!r} is no number in the digits 0 to 9", param, ctx)
        return super().convert(value, param, ctx)


@dataclass(frozen=True)
class PluginChoice:
    """Which plugins a command loads."""

    folder: Path | None
    local: bool
    without: tuple[str, ...]
    strict: bool

    def after(self, outer: PluginChoice) -> PluginChoice:
        """Both choices: what is said last of the folder holds."""
        return PluginChoice(
            self.folder or outer.folder,
            self.local and outer.local,
            (*outer.without, *self.without),
            self.strict or outer.strict,
        )

    def load(self, *, say: bool = True) -> Registry:
        """Load them; name on stderr what failed (`say`), or stop there if that is asked for.

        Raises:
            PluginError: something failed and `--strict-plugins` was given.
        """
        from seqlab.registry import load_plugins

        registry = load_plugins(self.folder, local=self.local, without=self.without)
        problems = list(registry.problems())
        if problems and self.strict:
            raise PluginError(*problems)
        for problem in problems if say else ():
            log.warning(problem)
        return registry


def _which(_context: click.Context, _option: click.Parameter, value: str) -> Which:
    if value in ("latest", "best"):
        return cast("Which", value)
    if value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    raise click.BadParameter(f"a step, best or latest, not '{value}'")


checkpoint_option = click.option(
    "--checkpoint",
    default="latest",
    show_default=True,
    metavar="STEP",
    callback=_which,
    help="Of which step the model is; or `best`, on the split that was evaluated.",
)


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which plugins are loaded, as one value `plugins`.

    A group that has them too leaves its value as the context's object; they are added up.
    """

    @click.option(
        "--plugins",
        "folder",
        type=PATH,
        metavar="DIR",
        help="Where dropped-in plugins lie (default: plugins/).",
    )
    @click.option("--no-local-plugins", is_flag=True, help="Load no dropped-in plugins.")
    @click.option("--no-plugin", "without", multiple=True, metavar="NAME", help="Leave one out.")
    @click.option("--strict-plugins", is_flag=True, help="Stop if any plugin fails to load.")
    @wraps(command)
    def wrapped(
        *,
        folder: Path | None,
        no_local_plugins: bool,
        without: tuple[str, ...],
        strict_plugins: bool,
        **rest: Any,
    ) -> Any:
        choice = PluginChoice(folder, not no_local_plugins, without, strict_plugins)
        outer = click.get_current_context().find_object(PluginChoice)
        return command(plugins=choice.after(outer) if outer else choice, **rest)

    return wrapped


def root_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option that says where runs are collected."""
    return click.option(
        "--root",
        type=PATH,
        default="runs",
        show_default=True,
        metavar="DIR",
        help="Where runs are collected.",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Any) -> None:
    data(json_text(value, indent=2))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], less: Sequence[str] = ()
) -> None:
    """Print a table on stdout: of lines on a terminal, separated by tabs elsewhere.

    `less` are columns that a terminal which is too narrow does without, the first one first.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    texts = [["" if value is None else cell(str(value)) for value in row] for row in rows]
    if not console.is_terminal:
        for row in (columns, *texts):
            data("\t".join(row))
        return
    kept = _fitting([columns, *texts], less, console.width)
    table = Table(*(Column(columns[i], overflow="fold") for i in kept), box=box.SIMPLE_HEAD)
    for row in texts:
        table.add_row(*(row[i] for i in kept))
    console.print(table, markup=False)
    if left_out := [name for i, name in enumerate(columns) if i not in kept]:
        err(f"There is no room for: {', '.join(left_out)} (--json has all)")


def _fitting(rows: Sequence[Sequence[str]], less: Sequence[str], width: int) -> list[int]:
    """The columns that are shown: all, if there is room, or else as many as there is room for."""
    from rich.cells import cell_len

    widths = [3 + max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    kept = list(range(len(widths)))
    for name in less:
        if 1 + sum(widths[i] for i in kept) > width:
            kept.remove(rows[0].index(name))
    return kept
