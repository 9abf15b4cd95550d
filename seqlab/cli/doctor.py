"""`seqlab doctor`: is everything as it should be?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli.options import PluginChoice, plugin_options, print_table, root_option
from seqlab.errors import CheckpointError, CorpusUnavailable, PluginError, SeqlabError
from seqlab.interrupts import reraise_interrupt
from seqlab.offline import offline

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.registry.plugins import Component
    from seqlab.runs.folder import RunFolder

Finding = tuple[str, str, int]
"""What was looked at, what is to be said of it (or nothing), and the exit code that this means."""


@click.command("doctor")
@click.argument("run", required=False)
@root_option
@plugin_options
@click.pass_context
def command(context: click.Context, run: str | None, root: Path, plugins: PluginChoice) -> None:
    """Check the plugins and that everything they offer can be built.

    Of RUN, check its records, the names that it uses and the hashes of its checkpoints.
    """
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root) if run is not None else None
    registry = plugins.load(say=False)
    findings = [*_plugins(registry), *_components(registry)]
    if folder is not None:
        findings += [*_records(folder), *_experiment(folder, registry), *_checkpoints(folder)]
    print_table(("checked", "state"), [(what, wrong or "ok") for what, wrong, _ in findings])
    context.exit(max((code for _, wrong, code in findings if wrong), default=0))


def _plugins(registry: Registry) -> Iterator[Finding]:
    for plugin in registry.plugins:
        problems = "; ".join(str(problem) for problem in plugin.problems)
        yield f"plugin {plugin.name}", problems, PluginError.exit_code
    for clash in registry.clashes():
        yield "names", clash, PluginError.exit_code


def _components(registry: Registry) -> Iterator[Finding]:
    """Build everything that has a name, with its defaults; nothing is downloaded for it."""
    from seqlab.registry.kinds import KINDS

    with offline():
        for component in (c for kind in KINDS for c in registry.components(kind)):
            yield f"{component.kind} {component.name}", *_built(component)


def _built(component: Component) -> tuple[str, int]:
    """What is to be said of a component that is built; what cannot be built here is not wrong."""
    from seqlab.testing.building import build
    from seqlab.testing.promises import NotApplicable, Subject

    try:
        return _condition(build(Subject.of_component(component, {}))), 0
    except (NotApplicable, CorpusUnavailable) as reason:
        return f"not here: {reason}", 0
    except ValueError as refusal:  # its own words: an extra that is missing, say
        return f"not here: {refusal}", 0
    except SeqlabError as error:
        return str(error), error.exit_code
    except BaseException as error:  # a factory may call sys.exit
        reraise_interrupt(error)
        said = f"cannot be built: {type(error).__name__}: {error}"
        return f"{said} (plugin '{component.plugin}')", PluginError.exit_code


def _condition(part: Any) -> str:
    """How a part works on this machine, if it has something to say of that."""
    said = part.condition_here() if hasattr(part, "condition_here") else ""
    return f"ok: {said}" if said else ""


def _records(folder: RunFolder) -> Iterator[Finding]:
    """What the run wrote down of itself, and whether that is what it should be."""
    folder.check_kinds()
    reads = {
        "run.json": folder.description,
        "metrics.jsonl": folder.metrics_rows,
        "samples.jsonl": folder.sample_rows,
    }
    for name, read in reads.items():
        try:
            read()
            yield str(folder.path / name), "", 0
        except SeqlabError as error:
            yield str(folder.path / name), str(error), error.exit_code


def _experiment(folder: RunFolder, registry: Registry) -> Iterator[Finding]:
    from seqlab.experiment import read_experiment
    from seqlab.registry import resolve

    try:
        resolve(read_experiment(folder.resolved, record=True), registry)
        yield f"names in {folder.resolved}", "", 0
    except SeqlabError as error:
        yield f"names in {folder.resolved}", str(error), error.exit_code


def _checkpoints(folder: RunFolder) -> Iterator[Finding]:
    from seqlab.training.checkpoint import checkpoint_path, load_checkpoint, steps_saved

    steps = steps_saved(folder.checkpoints)
    if not steps:
        yield "checkpoints", f"{folder.path}: has none", CheckpointError.exit_code
    for step in steps:
        path = checkpoint_path(folder.checkpoints, step)
        try:
            load_checkpoint(path)
            yield str(path), "", 0
        except CheckpointError as error:
            yield str(path), str(error), error.exit_code
