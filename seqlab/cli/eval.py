"""`seqlab eval`: a run's model scored on a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from seqlab.cli.options import (
    PluginChoice,
    Whole,
    checkpoint_option,
    json_option,
    plugin_options,
    print_json,
    print_table,
    root_option,
)

if TYPE_CHECKING:
    from seqlab.runs.saved_parts import Which


@click.command("eval")
@click.argument("run")
@click.option("--split", default="valid", show_default=True, help="Which split is scored.")
@click.option("--rows", type=Whole(1, 2**20), help="Streams; default: as the experiment says.")
@click.option("--batch-size", type=Whole(1, 2**20), help="Streams at once; changes no number.")
@click.option(
    "--window",
    type=Whole(1, 2**24),
    default=128,
    show_default=True,
    help="Tokens at once; changes no number.",
)
@click.option(
    "--documents",
    type=click.Choice(["fresh", "carried"]),
    help="Start each document afresh, or read the split as one text; default: as the run trains.",
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
    documents: Literal["fresh", "carried"] | None,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Score a split with the model of RUN: loss, perplexity, bits per character and byte.

    No other command shows a number of the test split.
    """
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    from seqlab.cli.progress_bars import reading_bar
    from seqlab.runs.loaded_run import open_run

    opened = open_run(folder.path, checkpoint=checkpoint, registry=plugins.load())
    numbers = opened.evaluate(
        split,
        rows=rows,
        batch_size=batch_size,
        window=window,
        documents=documents,
        progress=reading_bar(),
    )
    if as_json:
        print_json(numbers)
    else:
        shown = [(name, _shown(value)) for name, value in numbers.items() if value is not None]
        print_table(("measure", "value"), shown)


def _shown(value: object) -> str:
    """Counts in full, other numbers to six digits; `--json` has all of them."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
