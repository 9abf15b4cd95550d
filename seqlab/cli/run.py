"""`seqlab run`: run an experiment, with one seed or several."""

from __future__ import annotations

import logging
import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import completing
from seqlab.cli.ending import fail_if_doubtful, say_where, strict_option
from seqlab.cli.loading import Loading, loading
from seqlab.cli.options import (
    PATH,
    PluginChoice,
    Whole,
    plugin_options,
    print_table,
    root_option,
    set_option,
)
from seqlab.cli.streams import out, verbatim
from seqlab.cli.workers import is_launcher, launch_workers, workers_options
from seqlab.distributed.launched import launched
from seqlab.errors import Interrupted, RunFailed, SeqlabError, UsageError
from seqlab.printable import one_line, pasted

if TYPE_CHECKING:
    from seqlab.experiment import Experiment
    from seqlab.registry import Registry
    from seqlab.runs.loaded_run import Run

log = logging.getLogger(__name__)

SEED_LIMIT = 2**63


@click.command("run")
@click.argument("file", type=PATH, shell_complete=completing.experiments)
@set_option("cell=lstm")
@click.option("--run-dir", type=PATH, metavar="DIR", help="The folder of the run.")
@click.option(
    "--seeds", type=Whole(1, 100_000), default=1, metavar="N", help="Run with N seeds in turn."
)
@click.option(
    "--resume",
    "resume_auto",
    type=click.Choice(["auto"]),
    help="Continue an unfinished run of this experiment, if there is one.",
)
@click.option(
    "--print-config",
    is_flag=True,
    help="Print the experiment with everything filled in, and where it comes from; run nothing.",
)
@click.option("--profile", is_flag=True, help="Print where the time of a step goes.")
@strict_option
@workers_options
@root_option
@plugin_options
def command(
    file: Path,
    overrides: tuple[str, ...],
    run_dir: Path | None,
    seeds: int,
    resume_auto: str | None,
    print_config: bool,
    profile: bool,
    strict: bool,
    workers: int,
    max_restarts: int,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Run an experiment. The folder of each run is runs/NAME/TIME-ID.

    Lines about the run go to stdout, and how far it is to stderr.
    """
    _check_together(seeds, run_dir, resume_auto, profile, workers)
    launches = is_launcher(workers)
    if print_config:
        from seqlab.experiment import read_experiment

        _print_config(read_experiment(file, overrides), plugins.load())
        return
    shown = loading(f"running {file}", always=True)
    from seqlab.experiment import read_experiment
    from seqlab.runs.folder import check_free

    experiment = read_experiment(file, overrides)
    here = launched()
    if run_dir is not None and resume_auto is None and (here is None or here.is_new):
        check_free(run_dir)
    registry = shown.load(plugins)
    if launches:
        _check_launch(experiment, workers, registry)
        shown.close()
        launch_workers(workers, max_restarts)
        return
    runs = resume_auto and _resume_unfinished(experiment, run_dir, root, registry, shown)
    if not runs and seeds > 1:
        runs = _run_seeds(experiment, seeds, file, root, registry, shown)
    elif not runs:
        runs = [_run_one(experiment, run_dir, root, registry, shown, profile)]
        if profile:
            _print_profile(runs[0])
    if strict:
        fail_if_doubtful(*runs)


def _check_together(
    seeds: int, run_dir: Path | None, resume_auto: str | None, profile: bool, workers: int
) -> None:
    """Refuse options that do not go together."""
    if seeds > 1 and run_dir is not None:
        raise click.UsageError("--run-dir is for one run; with --seeds use --root")
    if seeds > 1 and resume_auto:
        raise click.UsageError("--resume is for one run; with --seeds name each: seqlab resume RUN")
    if profile and (seeds > 1 or resume_auto):
        raise click.UsageError("--profile is for one new run; leave out --seeds and --resume")
    if workers > 1 and (seeds > 1 or profile):
        raise click.UsageError("--workers is for one run, without --seeds and --profile")


def _check_launch(experiment: Experiment, workers: int, registry: Registry) -> None:
    """Raise the errors of an experiment before any process is started."""
    from seqlab.distributed.settings import check_launch_of
    from seqlab.registry import resolve

    check_launch_of(workers, resolve(experiment, registry))


def _print_config(experiment: Experiment, registry: Registry) -> None:
    from seqlab.registry import resolve
    from seqlab.registry.annotated_yaml import annotated_yaml
    from seqlab.registry.explanation import explain

    resolved = resolve(experiment, registry)
    rows = explain(experiment, resolved, registry)
    rows = [replace(row, origin=one_line(row.origin)) for row in rows]
    verbatim(annotated_yaml(resolved.as_experiment(later_keys=True), rows).rstrip("\n"))


def _print_profile(run: Run) -> None:
    parts = run.description["profile"]
    total = sum(parts.values()) or 1.0
    rows = [(name, f"{value:.3f}", f"{value / total:.1%}") for name, value in parts.items()]
    print_table(("part of a step", "ms", "share"), [*rows, ("all", f"{total:.3f}", "")])
    log.info("A trace of some steps is in %s (for ui.perfetto.dev)", run.folder.profile)


def _resume_unfinished(
    experiment: Experiment, run_dir: Path | None, root: Path, registry: Registry, shown: Loading
) -> list[Run]:
    """Resume the last unfinished run of an experiment; return it, or the last one, if any."""
    from seqlab.distributed.settings import resolve_for
    from seqlab.runs.loaded_run import Run
    from seqlab.runs.resuming import resume, runs_of

    _, resolved = resolve_for(launched(), experiment, registry)
    runs = runs_of(experiment.name, resolved, run_dir, root)
    ended = ("finished", "stopped")
    unfinished = [run for run in runs if run.description()["status"] not in ended]
    if unfinished:
        finished = resume(unfinished[-1].path, registry=registry, progress=shown)
        say_where(finished)
        return [finished]
    if runs:
        status = runs[-1].description()["status"]
        log.info("A run of this experiment is %s: %s", status, runs[-1].path)
    return [Run(folder, registry) for folder in runs[-1:]]


def _run_one(
    experiment: Experiment,
    run_dir: Path | None,
    root: Path,
    registry: Registry,
    shown: Loading,
    profile: bool = False,
) -> Run:
    from seqlab.runs.running import run

    finished = run(
        experiment,
        run_dir=run_dir,
        root=root,
        registry=registry,
        progress=shown,
        profile=profile,
    )
    say_where(finished)
    return finished


def _run_seeds(
    experiment: Experiment, seeds: int, file: Path, root: Path, registry: Registry, shown: Loading
) -> list[Run]:
    """Run an experiment with consecutive seeds, then print a table of the results."""
    from seqlab.registry import resolve

    first = resolve(experiment, registry).train.seed
    if first + seeds > SEED_LIMIT:
        raise UsageError(
            f"--seeds {seeds}: the last seed would be {first + seeds - 1}, but the largest is"
            f" {SEED_LIMIT - 1}; take a smaller train.seed"
        )
    runs: list[Run] = []
    rows: list[tuple[int, float | None, Path]] = []
    for seed in range(first, first + seeds):
        log.info("Seed %d", seed)
        try:
            seeded = experiment.overridden([f"train.seed={seed}"])
            finished = _run_one(seeded, None, root, registry, shown)
        except (KeyboardInterrupt, Interrupted, RunFailed) as error:
            next_seed = seed + isinstance(error, SeqlabError)  # after other errors nothing is saved
            if left := first + seeds - next_seed:
                rest = experiment.overridden([f"train.seed={next_seed}"])
                from seqlab.runs.command_words import plugin_options as plugin_words

                again = _command(
                    file, rest, "--seeds", left, "--root", root, *plugin_words(registry.choice)
                )
                log.error("Seeds that were not run: %d; to run them: %s", left, again)
            raise
        runs.append(finished)
        metrics = finished.metrics
        perplexity = metrics[-1]["perplexity"] if metrics else None
        rows.append((seed, perplexity and round(perplexity, 6), finished.path))
    print_table(("seed", "perplexity", "run"), rows)
    if values := [value for _, value, _ in rows if value is not None]:
        out(f"median {statistics.median(values):f}, worst {max(values):f}")
    return runs


def _command(file: Path, experiment: Experiment, *options: object) -> str:
    """A command that runs an experiment, for a shell."""
    overrides = [word for override in experiment.overrides for word in ("--set", override)]
    return pasted(["seqlab", "run", file, *overrides, *options])
