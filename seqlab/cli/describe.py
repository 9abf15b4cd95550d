"""`seqlab describe`: the sizes and the costs of an experiment or a run, without training it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from seqlab.cli import completing
from seqlab.cli.loading import Loading, loading
from seqlab.cli.options import (
    PluginChoice,
    json_option,
    plugin_options,
    print_json,
    print_table,
    root_option,
    set_option,
)
from seqlab.cli.streams import out
from seqlab.errors import UsageError
from seqlab.memory import format_bytes
from seqlab.memory_remedies import MemoryRemedies
from seqlab.printable import one_line

EXPERIMENTS = {".yaml", ".yml"}


@click.command("describe")
@click.argument("file", metavar="FILE|RUN", shell_complete=completing.experiments_and_runs)
@set_option("cell.hidden_size=512")
@json_option
@root_option
@plugin_options
def command(
    file: str, overrides: tuple[str, ...], as_json: bool, root: Path, plugins: PluginChoice
) -> None:
    """Show the parameters of each part, what a token costs, and how large all of it is.

    Multiply-adds are those of matrix products, convolutions and attention, counted while one row
    is trained on and one token is generated, on a CPU. A parameter that two parts share counts as
    one of the first.
    """
    shown = loading(f"describing {file}")
    with MemoryRemedies("describing it", "lower the sizes of the model"):
        if _is_experiment(Path(file)):
            facts = _of_experiment(Path(file), overrides, plugins, shown)
        elif overrides:
            raise UsageError("--set is for an experiment; a run is described as it was made")
        else:
            facts = _of_run(file, root, plugins, shown)
    shown.close()
    if as_json:
        print_json(facts)
    else:
        _print(facts)


def _is_experiment(path: Path) -> bool:
    """Whether a path is that of an experiment, and not the name of a run."""
    with suppress(OSError, ValueError):
        return path.suffix.lower() in EXPERIMENTS or path.is_file()
    return False


def _of_experiment(
    file: Path, overrides: tuple[str, ...], plugins: PluginChoice, shown: Loading
) -> dict[str, Any]:
    from seqlab.experiment import read_experiment

    experiment = read_experiment(file, overrides)
    registry = shown.load(plugins)
    from seqlab.registry import resolve
    from seqlab.runs.facts import facts_of_experiment

    return facts_of_experiment(resolve(experiment, registry), shown)


def _of_run(run: str, root: Path, plugins: PluginChoice, shown: Loading) -> dict[str, Any]:
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    registry = shown.load(plugins)
    from seqlab.runs.facts import facts_of_run
    from seqlab.runs.loaded_run import open_run

    return facts_of_run(open_run(folder.path, registry=registry), shown)


def _print(facts: Mapping[str, Any]) -> None:
    rows = [_part_row(part) for part in facts["parts"]]
    whole = {"part": "all", "what": "", "shared": 0, **facts}
    print_table(("part", "what", "parameters", "trained", "size"), [*rows, _part_row(whole)])
    print_table(("what", "value"), [(name, value) for name, value in _values(facts) if value])
    if any(part["shared"] for part in facts["parts"]):
        out("(tied): its parameters are counted where they come first")


def _part_row(part: Mapping[str, Any]) -> tuple[str, ...]:
    what = f"{part['what']} (tied)" if part["shared"] else part["what"]
    numbers = (f"{part[key]:,}" for key in ("parameters", "trained"))
    return (part["part"], one_line(what), *numbers, format_bytes(part["bytes"]))


def _values(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known besides the parts; an empty value: it is not known."""
    cost = facts["multiply_adds_per_token"]
    yield "vocabulary", _count(facts["vocabulary"])
    yield "state of a row", _size(facts["state_bytes_per_row"])
    yield "multiply-adds a token in training, forward", _count(cost["forward"])
    yield "multiply-adds a token in training, backward", _count(cost["backward"])
    yield "multiply-adds a token in generation", _count(cost["generation"])
    yield "tokens to train on", _count(facts["tokens"])
    yield "their store", _size(facts["store_bytes"])
    yield "steps an epoch", _count(facts["steps_per_epoch"])
    yield "steps of a run", _count(facts["total_steps"])
    yield "a checkpoint", _size(facts["checkpoint_bytes"])


def _count(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


def _size(size: int | None) -> str:
    return "" if size is None else format_bytes(size)
