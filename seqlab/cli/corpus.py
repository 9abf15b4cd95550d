"""`seqlab corpus`: look at a corpus, prepare it ahead, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli.options import (
    PATH,
    PluginChoice,
    json_option,
    plugin_options,
    print_json,
    print_table,
    root_option,
)
from seqlab.cli.streams import err, out
from seqlab.errors import RunFailed

if TYPE_CHECKING:
    from seqlab.contracts import Tokenizer
    from seqlab.data.preparation import Prepared
    from seqlab.experiment import Experiment
    from seqlab.registry import Registry, Text

EXPERIMENTS = {".yaml", ".yml"}
PACKED = {".gz", ".zip"}


@click.group("corpus")
def command() -> None:
    """Look at a corpus, prepare it ahead, and see or clear what is kept."""


def _set_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Such as tokenizer=bytes."
    )(function)


@command.command("describe")
@click.argument("file", type=PATH)
@click.option("--split", default="train", show_default=True, help="Which split is looked at.")
@click.option("--against", metavar="RUN", help="Tell what share the vocabulary of RUN lacks.")
@_set_option
@json_option
@root_option
@plugin_options
def describe(
    file: Path,
    split: str,
    against: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Say what a corpus holds: documents, characters, tokens, and how it begins.

    FILE is an experiment, or a text of any kind that there is a corpus for (.txt, .jsonl, …).
    """
    from seqlab.data.corpus_report import describe as described

    registry = plugins.load()
    prepared = _prepare(_resolved(file, overrides, registry))
    known = _vocabulary(against, root, registry) if against is not None else None
    facts = described(prepared, split, known)
    if as_json:
        print_json(facts)
    else:
        _print_facts(facts)


def _print_facts(facts: Mapping[str, Any]) -> None:
    frequent, beginning = facts["most_frequent_tokens"], facts["beginning"]
    rows = [(key.replace("_", " "), _said(value)) for key, value in facts.items()]
    left_out = {"most frequent tokens", "beginning"}
    print_table(("what", "value"), [row for row in rows if row[0] not in left_out and row[1]])
    print_table(
        ("most frequent", "id", "count", "share"),
        [(repr(t["token"]), t["id"], f"{t['count']:,}", f"{t['share']:.2%}") for t in frequent],
    )
    for line in beginning:
        out(line)


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4%}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


@command.command("build")
@click.argument("experiment", type=PATH)
@_set_option
@plugin_options
def build(experiment: Path, overrides: tuple[str, ...], plugins: PluginChoice) -> None:
    """Learn the vocabulary and encode every split of EXPERIMENT now, so that a run begins at once.

    What is kept already is not made again.
    """
    from seqlab.data.cache import check_writable

    registry = plugins.load()
    text = _resolved(experiment, overrides, registry)
    check_writable()
    prepared = _prepare(text)
    rows = []
    for split in prepared.source.splits:
        tokens = prepared.split(split)
        size = len(tokens) * tokens.ids.dtype.itemsize
        rows.append((split, f"{len(tokens.documents):,}", f"{len(tokens):,}", _bytes(size)))
    print_table(("split", "documents", "tokens", "size"), rows)


@command.command("cache")
@click.option("--clear", is_flag=True, help="Remove all of it; it is made again when needed.")
@json_option
def cache(clear: bool, as_json: bool) -> None:
    """List the token ids that are kept, the latest used first."""
    from seqlab.data import cache_entries
    from seqlab.data.cache import cache_folder

    if clear:
        removed, refusals = cache_entries.clear()
        err(f"Removed {_bytes(removed)} from {cache_folder()}")
        if refusals:
            raise _not_removed(refusals)
        return
    found = sorted(cache_entries.stores(), key=lambda store: -store[0].stat().st_mtime)
    facts = [_fact(folder, manifest) for folder, manifest in found]
    if as_json:
        print_json(facts)
    elif facts:
        columns = ("corpus", "split", "tokenizer", "tokens", "size", "last used", "folder")
        print_table(columns, [_row(fact) for fact in facts])
    else:
        err(f"Nothing is kept in {cache_folder()}")


def _not_removed(refusals: Sequence[OSError]) -> RunFailed:
    first, more = refusals[0], len(refusals) - 1
    others = f", and {more:,} more" if more else ""
    return RunFailed(f"{first.filename}: cannot be removed ({first.strerror}){others}")


def _fact(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    used = datetime.fromtimestamp(folder.stat().st_mtime).astimezone()
    return {
        **manifest["about"],
        "tokens": manifest["tokens"],
        "bytes": _size(folder),
        "last_used": used.isoformat(timespec="seconds"),
        "folder": str(folder),
    }


def _row(fact: Mapping[str, Any]) -> Sequence[object]:
    made_of = [fact.get(name, "") for name in ("corpus", "split", "tokenizer")]
    counts = (f"{fact['tokens']:,}", _bytes(fact["bytes"]))
    return (*made_of, *counts, fact["last_used"], fact["folder"])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _experiment(file: Path, overrides: Sequence[str], registry: Registry) -> Experiment:
    """Read an experiment; a text becomes one, with the corpus named as its suffix, else `text`."""
    from seqlab.experiment import read_experiment

    if file.suffix.lower() in EXPERIMENTS:
        return read_experiment(file, overrides)
    suffixes = [s.lower() for s in file.suffixes if s.lower() not in PACKED]
    kind = suffixes[-1].removeprefix(".") if suffixes else ""
    there = {component.name for component in registry.components("corpus")}
    name = "folder" if _is_folder(file) else kind if kind in there else "text"
    return read_experiment({"corpus": {"name": name, "path": str(file.absolute())}}, overrides)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have, which whoever reads it says
        return False


def _resolved(file: Path, overrides: Sequence[str], registry: Registry) -> Text:
    from seqlab.registry import resolve_text

    return resolve_text(_experiment(file, overrides, registry), registry)


def _prepare(text: Text) -> Prepared:
    from seqlab.cli.progress_bars import reading_bar
    from seqlab.data.preparation import prepare

    return prepare(text, progress=reading_bar())


def _vocabulary(run: str, root: Path, registry: Registry) -> Tokenizer:
    from seqlab.runs.loaded_run import open_run

    return open_run(run, root=root, registry=registry).tokenizer
