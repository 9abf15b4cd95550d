"""`seqlab eval`: score the model of a run on a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from seqlab.cli.loading import loading
from seqlab.cli.memory_errors import memory_errors
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
@click.option("--split", default="valid", show_default=True, help="The split to score.")
@click.option(
    "--rows", type=Whole(1, 2**20), help="Parallel streams; default: as in the experiment."
)
@click.option(
    "--batch-size", type=Whole(1, 2**20), help="Streams computed at once; changes no result."
)
@click.option(
    "--window",
    type=Whole(1, 2**24),
    default=128,
    show_default=True,
    help="Tokens computed at once; changes no result.",
)
@click.option(
    "--documents",
    type=click.Choice(["fresh", "carried"]),
    help="Start each document afresh, or read the split as one text; default: as in training.",
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
    """Score the model of RUN on a split: loss, perplexity, bits per character and byte.

    No other command shows results on the test split.
    """
    shown = loading(f"scoring {run}")
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    registry = shown.load(plugins)
    from seqlab.runs.loaded_run import open_run

    opened = open_run(folder.path, checkpoint=checkpoint, registry=registry)
    with memory_errors(f"scoring split '{split}'", *_smaller(batch_size, window)):
        numbers = opened.evaluate(
            split,
            rows=rows,
            batch_size=batch_size,
            window=window,
            documents=documents,
            progress=shown,
        )
    shown.close()
    if as_json:
        print_json(numbers)
    else:
        table = [(name, _format(value)) for name, value in numbers.items() if value is not None]
        print_table(("measure", "value"), table)


def _smaller(batch_size: int | None, window: int) -> tuple[str, str]:
    """What lowers the memory that an evaluation takes, and changes no result."""
    rows = f"({batch_size:,})" if batch_size else "(without it, all --rows are scored at once)"
    return f"lower --batch-size {rows}", f"--window ({window:,})"


def _format(value: object) -> str:
    """Counts in full, other numbers to six digits."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
