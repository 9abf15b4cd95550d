"""`seqlab export`: write the model of a run in another form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import completing
from seqlab.cli.loading import loading
from seqlab.cli.options import (
    PATH,
    PluginChoice,
    checkpoint_option,
    json_option,
    plugin_options,
    print_json,
    root_option,
)
from seqlab.cli.streams import data
from seqlab.printable import one_line, shown_path

if TYPE_CHECKING:
    from seqlab.runs.exporting import Exported
    from seqlab.runs.saved_parts import Which


@click.command("export")
@click.argument("run", shell_complete=completing.runs)
@click.option(
    "--to",
    required=True,
    metavar="NAME",
    shell_complete=completing.exporters,
    help="The exporter; `seqlab plugins show exporter` lists all.",
)
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="OPTION=VALUE",
    shell_complete=completing.exporter_settings,
    help="Set an option of the exporter.",
)
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    shell_complete=completing.folders,
    help="The folder that is made.  [default: RUN-NAME, in the working folder]",
)
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    to: str,
    options: tuple[str, ...],
    out: Path | None,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Write the model of RUN in another form, and print where it is.

    A folder is made that has all files or none; one that exists is never written to.
    """
    shown = loading(f"exporting {run}")
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    registry = shown.load(plugins)
    from seqlab.runs.exporting import export, find_exporter
    from seqlab.runs.loaded_run import open_run

    exporter = find_exporter(to, options, registry)
    opened = open_run(folder.path, checkpoint=checkpoint, registry=registry)
    shown(f"Exporting to {to}")
    exported = export(opened, exporter, out)
    shown.close()
    _print(exported, as_json)


def _print(exported: Exported, as_json: bool) -> None:
    path = exported.folder
    if as_json:
        folder = None if path is None else str(path)
        print_json({**exported._asdict(), "folder": folder, "files": exported.files})
        return
    for place in (path and shown_path(path), exported.address):
        if place:
            data(one_line(place))
