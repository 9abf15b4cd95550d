"""`seqlab eval`: a run's model scored on a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli.options import (
    PluginChoice,
    checkpoint_option,
    json_option,
    plugin_options,
    print_json,
    print_table,
    root_option,
)

if TYPE_CHECKING:
    from seqlab.runs.chosen import Which


@click.command("eval")
@click.argument("run")
@click.option("--split", default="valid", show_default=True, help="Which split is scored.")
@click.option(
    "--rows", type=click.IntRange(min=1), help="Streams; default: as the experiment says."
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Streams at once; changes no number."
)
@click.option(
    "--window",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Tokens at once; changes no number.",
)
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    split: str,
    rows: int | None,
    batch_size: int | None,
    window: int,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Score a split with the model of RUN: loss, perplexity, bits per character and byte.

    The test split is looked at here and nowhere else.
    """
    from seqlab.runs.finding import find_run

    folder = find_run(run, root)
    from seqlab.cli.bars import reading_bar
    from seqlab.runs.opened import open_run

    opened = open_run(folder.path, checkpoint=checkpoint, registry=plugins.load())
    numbers = opened.evaluate(
        split, rows=rows, batch_size=batch_size, window=window, progress=reading_bar()
    )
    if as_json:
        print_json(numbers)
    else:
        print_table(("measure", "value"), [(k, v) for k, v in numbers.items() if v is not None])
