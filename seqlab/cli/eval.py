"""`seqlab eval`: score the model of a run on a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from seqlab.cli import completing
from seqlab.cli.loading import loading
from seqlab.cli.options import (
    PluginChoice,
    Whole,
    checkpoint_option,
    json_option,
    plugin_options,
    print_json,
    print_table,
    root_option,
    yaml_text,
)
from seqlab.cli.path_types import FILE
from seqlab.cli.streams import err
from seqlab.cli.text_files import encoding_option, told_of_files
from seqlab.errors import UsageError

if TYPE_CHECKING:
    from seqlab.runs.saved_parts import Which

COUNTING = "kn_interpolated"  # the method that --baseline stands for


@click.command("eval")
@click.argument("run", shell_complete=completing.runs)
@click.option("--split", help="The split to score.  [default: valid, or train of another corpus]")
@click.option(
    "--text",
    "texts",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Score a text file (or URL) instead, read as the run's own are; repeatable.",
)
@encoding_option
@click.option(
    "--corpus",
    metavar="YAML",
    help="Score another corpus, such as '{name: text, path: a.txt, newlines: space}'.",
)
@click.option(
    "--rows",
    type=Whole(1, 2**20),
    help="Cut it into so many streams, each from a fresh state.  [default: as in the experiment;"
    " 1 for --text]",
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
@click.option(
    "--baseline",
    is_flag=False,
    flag_value=COUNTING,
    metavar="[METHOD]",
    help="Compare with n-grams of the training split, or another method of evaluation.",
)
@checkpoint_option
@json_option
@root_option
@plugin_options
def command(
    run: str,
    split: str | None,
    texts: tuple[Path | str, ...],
    encoding: str | None,
    corpus: str | None,
    rows: int | None,
    batch_size: int | None,
    window: int,
    documents: Literal["fresh", "carried"] | None,
    baseline: str | None,
    checkpoint: Which,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Score the model of RUN on a split: loss, perplexity, bits per character and byte.

    No other command shows results on the test split. Another corpus is read with the vocabulary of
    the run, and scored as a split would be; a text, as one stream from its beginning to its end.
    With --baseline the loss of n-grams is shown beside that of the model, which should be lower.
    """
    if texts and corpus is not None:
        raise UsageError("--text and --corpus exclude each other: choose one")
    if encoding is not None and not texts:
        raise UsageError("--encoding is that of --text FILE; give one")
    other = None if corpus is None else _section(corpus)
    shown = loading(f"scoring {run}")
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    registry = shown.load(plugins)
    from seqlab.runs.loaded_run import open_run

    opened = open_run(folder.path, checkpoint=checkpoint, registry=registry)
    how: dict[str, Any] = {
        "batch_size": batch_size,
        "window": window,
        "documents": documents,
        "baseline": baseline,
        "progress": shown,
    }
    if texts:
        from seqlab.runs.text_files import section_of

        with told_of_files(texts, "--text"):
            section = section_of(opened, texts, encoding)
            numbers = opened.evaluate(split, corpus=section, rows=rows or 1, **how)
    else:
        numbers = opened.evaluate(split, corpus=other, rows=rows, **how)
    shown.close()
    if as_json:
        print_json(numbers)
    else:
        table = [(name, _format(value)) for name, value in numbers.items() if value is not None]
        _warn_of_unknown(numbers)
        print_table(("measure", "value"), table)


def _section(corpus: str) -> str | dict[str, Any]:
    """The section of another corpus, written as YAML."""
    from seqlab.experiment.located import Origin, plain
    from seqlab.experiment.yaml12 import load_yaml

    section = plain(load_yaml(corpus, Origin("--corpus")))
    if not isinstance(section, str | dict):
        raise UsageError("--corpus should be a name, or {name: …} with options")
    return section


def _warn_of_unknown(numbers: dict[str, Any]) -> None:
    if numbers.get("unknown"):
        err(
            f"seqlab: warning: {numbers['unknown']:.2%} of the tokens are unknown to the run, so"
            " bits are not measured, and the loss counts what it says of unknown text"
        )


def _format(value: object) -> str:
    """Counts in full, other numbers to six digits."""
    if not isinstance(value, float):
        return yaml_text(value) if isinstance(value, dict) else str(value)
    return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
