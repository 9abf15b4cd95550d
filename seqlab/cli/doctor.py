"""`seqlab doctor`: check the installation, and the files of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import completing
from seqlab.cli.options import PluginChoice, plugin_options, print_table, root_option
from seqlab.contracts import offered
from seqlab.errors import CheckpointError, CorpusUnavailable, PluginError, SeqlabError
from seqlab.interrupts import reraise_interrupt
from seqlab.offline import offline

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.registry.plugins import Component
    from seqlab.runs.folder import RunFolder

Finding = tuple[str, str, int]
"""What was checked, a message (empty: it is ok), and the exit code."""


@click.command("doctor")
@click.argument("run", required=False, shell_complete=completing.runs)
@root_option
@plugin_options
@click.pass_context
def command(context: click.Context, run: str | None, root: Path, plugins: PluginChoice) -> None:
    """Check that all plugins load and that their components can be built.

    With RUN, check its records, the names in its experiment and the hashes of its checkpoints too.
    """
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root) if run is not None else None
    registry = plugins.load(warn=False)
    findings = [*_check_plugins(registry), *_check_components(registry)]
    if folder is not None:
        findings += _check_run(folder, registry)
    print_table(("checked", "state"), [(name, message or "ok") for name, message, _ in findings])
    context.exit(max((code for _, message, code in findings if message), default=0))


def _check_plugins(registry: Registry) -> Iterator[Finding]:
    for plugin in registry.plugins:
        problems = "; ".join(str(problem) for problem in plugin.problems)
        yield f"plugin {plugin.name}", problems, PluginError.exit_code
    for clash in registry.clashes():
        yield "names", clash, PluginError.exit_code


def _check_components(registry: Registry) -> Iterator[Finding]:
    """Build every component with its defaults, and without downloads."""
    with offline():
        for component in (c for kind in registry.kinds for c in registry.components(kind)):
            yield f"{component.kind} {component.name}", *_build(component, registry)


def _build(component: Component, registry: Registry) -> tuple[str, int]:
    """A message and an exit code; it is no fault if something is missing on this machine."""
    from seqlab.testing.building import build
    from seqlab.testing.promises import NotApplicable, Subject

    try:
        return _condition(build(Subject.of_component(component, {}, registry))), 0
    except (NotApplicable, CorpusUnavailable, ValueError) as reason:  # such as a missing extra
        return f"not here: {reason}", 0
    except SeqlabError as error:
        return str(error), error.exit_code
    except BaseException as error:  # a factory may call sys.exit
        reraise_interrupt(error)
        message = f"cannot be built: {type(error).__name__}: {error}"
        return f"{message} (plugin '{component.plugin}')", PluginError.exit_code


def _condition(component: Any) -> str:
    """How a component works on this machine, if it can tell."""
    describe = offered(component, "condition_here")
    condition = describe() if describe else ""
    return f"ok: {condition}" if condition else ""


def _check_run(folder: RunFolder, registry: Registry) -> Iterator[Finding]:
    from seqlab.experiment import read_experiment
    from seqlab.registry import resolve
    from seqlab.training.checkpoint import checkpoint_path, load_checkpoint, steps_saved

    def resolve_names() -> None:
        resolve(read_experiment(folder.resolved, record=True), registry)

    folder.check_kinds()
    yield _try(folder.path / "run.json", folder.description)
    yield _try(folder.path / "metrics.jsonl", folder.metrics_rows)
    yield _try(folder.path / "samples.jsonl", folder.sample_rows)
    yield _try(f"names in {folder.resolved}", resolve_names)
    steps = steps_saved(folder.checkpoints)
    if not steps:
        yield "checkpoints", f"{folder.path}: has none", CheckpointError.exit_code
    for step in steps:
        path = checkpoint_path(folder.checkpoints, step)
        yield _try(path, partial(load_checkpoint, path))


def _try(name: object, read: Callable[[], object]) -> Finding:
    try:
        read()
    except SeqlabError as error:
        return str(name), str(error), error.exit_code
    return str(name), "", 0
