"""Options that several commands share, and the tables that they print."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import click

from seqlab.cli import completing
from seqlab.cli.colors import style_of_state
from seqlab.cli.path_types import PATH as PATH
from seqlab.cli.streams import data, err
from seqlab.errors import PluginError
from seqlab.printable import cell, from_here, json_text

if TYPE_CHECKING:
    from rich.text import Text

    from seqlab.registry import Registry
    from seqlab.registry.plugins import Key
    from seqlab.runs.saved_parts import Which

log = logging.getLogger(__name__)

Completing: TypeAlias = Callable[[click.Context, click.Parameter, str], completing.Items]
"""What answers a shell that asks what may follow."""

_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")


class Whole(click.ParamType[int]):
    """An integer in ASCII digits; Python itself accepts the digits of any script."""

    name = "n"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not _WHOLE.fullmatch(str(value)):
            self.fail(f"{value!r} is not a whole number in the digits 0 to 9", param, ctx)
        number = int(value)
        if number < self._least or (self._most is not None and number > self._most):
            most = "" if self._most is None else f" to {self._most:,}"
            beyond = "" if most else " and up"
            self.fail(f"{value} is not in the range {self._least}{most}{beyond}", param, ctx)
        return number


class Number(click.ParamType[float]):
    """A finite number in ASCII, as an experiment has it."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or not str(value).isascii():
            self.fail(f"{value!r} is not a number, such as 0.8", param, ctx)
        return number


NUMBER = Number()


def option_name(name: str) -> str:
    """The option for an argument of Python."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class PluginChoice:
    """Which plugins a command loads."""

    folder: Path | None
    local: bool
    without: tuple[str, ...]
    strict: bool

    def within(self, outer: PluginChoice) -> PluginChoice:
        """Combine with the choice of a group; the folder of the inner command wins."""
        return PluginChoice(
            self.folder or outer.folder,
            self.local and outer.local,
            (*outer.without, *self.without),
            self.strict or outer.strict,
        )

    def load(self, *, warn: bool = True) -> Registry:
        """Load the plugins, and warn of those that failed.

        Raises:
            PluginError: a plugin failed and `--strict-plugins` was given.
        """
        from seqlab.registry import load_plugins

        return self._checked(load_plugins, warn)

    def know(self, *, warn: bool = True, imported: Container[Key] = ()) -> Registry:
        """Do the same without importing plugins that the cache knows, to describe and check.

        The components in `imported` are imported, so that they can be built.
        """
        from seqlab.registry.kept_plugins import know_plugins

        return self._checked(partial(know_plugins, imported=imported), warn)

    def _checked(self, find: Callable[..., Registry], warn: bool) -> Registry:
        registry = find(self.folder, local=self.local, without=self.without)
        problems = list(registry.problems())
        if problems and self.strict:
            raise PluginError(*problems)
        for problem in problems if warn else ():
            log.warning(problem)
        return registry


def _parse_checkpoint(_context: click.Context, _option: click.Parameter, value: str) -> Which:
    if value in ("latest", "best"):
        return cast("Which", value)
    if value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    raise click.BadParameter(f"should be a step, best or latest, not '{value}'")


checkpoint_option = click.option(
    "--checkpoint",
    default="latest",
    show_default=True,
    metavar="STEP",
    callback=_parse_checkpoint,
    shell_complete=completing.checkpoints,
    help="A step, `latest`, or `best` on the evaluated split.",
)


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for plugins, which a command gets as one argument `plugins`.

    They are combined with those of the group, which it leaves as the object of the context.
    """

    @click.option(
        "--plugins",
        "folder",
        type=PATH,
        metavar="DIR",
        shell_complete=completing.folders,
        help="The folder of dropped-in plugins (default: plugins/).",
    )
    @click.option("--no-local-plugins", is_flag=True, help="Load no dropped-in plugins.")
    @click.option(
        "--no-plugin",
        "without",
        multiple=True,
        metavar="NAME",
        shell_complete=completing.plugins,
        help="Do not load this plugin.",
    )
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
        return command(plugins=choice.within(outer) if outer else choice, **rest)

    return wrapped


def root_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option for the folder of all runs."""
    return click.option(
        "--root",
        type=PATH,
        default="runs",
        show_default=True,
        metavar="DIR",
        shell_complete=completing.folders,
        help="The folder of all runs.",
    )(command)


def set_option(
    example: str, complete: Completing = completing.settings
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the option that overrides keys of an experiment, with an example in its help."""
    help_text = f"Change a value, such as {example}."
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=complete,
        help=help_text,
    )


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Any) -> None:
    data(json_text(value, indent=2))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], optional: Sequence[str] = ()
) -> None:
    """Print a table on stdout, separated by tabs where that is not a terminal.

    A terminal that is too narrow leaves out `optional` columns, the first of them first.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    texts = [[cell(from_here(text_or_empty(value))) for value in row] for row in rows]
    if not console.is_terminal:
        for row in (columns, *texts):
            data("\t".join(row))
        return
    kept = _fitting_columns([columns, *texts], optional, console.width)
    table = Table(*(Column(columns[i], overflow="fold") for i in kept), box=box.SIMPLE_HEAD)
    for row in texts:
        table.add_row(*(_styled(columns[i], row[i]) for i in kept))
    console.print(table, markup=False)
    if left_out := [name for i, name in enumerate(columns) if i not in kept]:
        err(f"The terminal is too narrow for: {', '.join(left_out)} (--json has all)")


def _styled(column: str, text: str) -> Text:
    """A cell of a table; one that says how something is has a colour."""
    from rich.text import Text

    return Text(text, style=style_of_state(text) if column == "state" else "")


def _fitting_columns(
    rows: Sequence[Sequence[str]], optional: Sequence[str], width: int
) -> list[int]:
    """The indices of the columns that fit into a width."""
    from rich.cells import cell_len

    widths = [3 + max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    kept = list(range(len(widths)))
    for name in optional:
        if 1 + sum(widths[i] for i in kept) > width:
            kept.remove(rows[0].index(name))
    return kept


def text_or_empty(value: object) -> str:
    return "" if value is None else str(value)


def yaml_text(value: Any) -> str:
    """A value as an experiment would have it, on one line."""
    from seqlab.experiment.yaml12 import dump_flow

    return dump_flow(value)
