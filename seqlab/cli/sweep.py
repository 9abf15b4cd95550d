"""`seqlab sweep`: search a space of experiments."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import completing
from seqlab.cli.loading import Loading, loading
from seqlab.cli.options import PATH, PluginChoice, plugin_options, root_option, set_option
from seqlab.cli.runs import RunsGroup
from seqlab.cli.streams import out, verbatim
from seqlab.cli.sweep_status import status
from seqlab.errors import RunFailed
from seqlab.printable import one_line, shown_path

if TYPE_CHECKING:
    from seqlab.sweeps.folder import SweepFolder
    from seqlab.sweeps.records import TrialRecord
    from seqlab.sweeps.sweep import Sweep

log = logging.getLogger(__name__)


class SweepGroup(RunsGroup):
    """Runs a sweep unless its first argument is the name of a command."""

    default = "run"


@click.group("sweep", cls=SweepGroup)
def command() -> None:
    """Search a space of experiments, in trials of which each is a run or several.

    `seqlab sweep FILE` is short for `seqlab sweep run FILE`, whose options it has (`seqlab sweep
    run --help`). The same command goes on with a sweep that was interrupted or killed.
    """


@command.command("run")
@click.argument("file", type=PATH, shell_complete=completing.experiments)
@set_option("trials=40")
@click.option("--fail-fast", is_flag=True, help="End with the first trial that fails.")
@click.option(
    "--dry-run", is_flag=True, help="Check the file and say what would run; of Slurm, the script."
)
@root_option
@plugin_options
def run(
    file: Path,
    overrides: tuple[str, ...],
    fail_fast: bool,
    dry_run: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Run the sweep of FILE, or go on with it. Its runs are in runs/NAME/trial-NUMBER.

    A line for each trial goes to stdout as it ends, and how far the sweep is to stderr.
    """
    shown = loading(f"sweeping {file}", always=not dry_run)
    from seqlab.sweeps.conducting import conduct, hand_over, prepare
    from seqlab.sweeps.optuna import optuna
    from seqlab.sweeps.reading import read_sweep
    from seqlab.sweeps.settings import Slurm

    optuna()
    registry = plugins.know()
    plan = read_sweep(file, registry, overrides)
    if dry_run:
        shown.close()
        _print_plan(plan, root)
        return
    folder = prepare(plan, root)
    if isinstance(plan.settings.executor, Slurm):
        jobs = hand_over(plan, folder, registry, plan.settings.executor)
        log.info("Submitted jobs: %s", ", ".join(jobs) or "none, as all trials have ended")
        return
    conduct(plan, folder, registry, fail_fast=fail_fast, told=Progress(plan, folder, shown).hear)
    shown.close()
    _say_result(folder)


class Progress:
    """Prints a line for each trial that ends, and shows how many have."""

    def __init__(self, plan: Sweep, folder: SweepFolder, shown: Loading) -> None:
        from seqlab.sweeps.results import SweepResults

        self._plan, self._shown = plan, shown
        self._results = SweepResults.read(folder)
        self._ended = {t.number for t in self._results.trials if t.state != "begun"}
        self._best = self._results.best.value if self._results.best else None
        if self._ended:
            log.info("%d of %d trials have ended before", len(self._ended), plan.trials)
        self._show()

    def hear(self, what: str, of_what: object) -> None:
        """Take what a worker tells."""
        from seqlab.sweeps.records import TrialRecord

        if what == "ended" and isinstance(of_what, TrialRecord):
            self._ended.add(of_what.number)
            out(one_line(self._line(of_what)))
            if of_what.state == "failed":
                log.warning("trial %d failed: %s", of_what.number, of_what.reason)
        self._show()

    def _show(self) -> None:
        self._shown("Running trials", len(self._ended), self._plan.trials)

    def _line(self, trial: TrialRecord) -> str:
        from seqlab.runs.settings import in_words

        settings = {
            key: float(f"{value:.4g}") if isinstance(value, float) else value
            for key, value in self._results.settings(trial).items()
        }
        words = in_words(settings, list(settings))
        value = "" if trial.value is None else f"  {self._named(trial.value)}{self._mark(trial)}"
        return f"trial {trial.number:<4} {trial.state:<9}{value}  {words}"

    def _named(self, value: float) -> str:
        metric = self._plan.metric
        return f"{metric.split} {metric.name} {value:.6g}"

    def _mark(self, trial: TrialRecord) -> str:
        """A star for what is better than everything before."""
        if trial.state != "finished" or trial.value is None:
            return " "
        sign = 1 if self._plan.settings.minimizes else -1
        if self._best is not None and sign * trial.value >= sign * self._best:
            return " "
        self._best = trial.value
        return "*"


def _say_result(folder: SweepFolder) -> None:
    """Print what came of it.

    Raises:
        RunFailed: no trial has finished.
    """
    from seqlab.sweeps.results import SweepResults

    results = SweepResults.read(folder)
    counts = ", ".join(f"{count} {state}" for state, count in results.counts().items())
    best = results.best
    if best is None or best.value is None:
        reason = next((trial.reason for trial in results.trials if trial.state == "failed"), "")
        raise RunFailed(f"{folder.path}: no trial has finished ({counts}); {reason}".rstrip("; "))
    metric = results.metric
    name = f"{metric.split} {metric.name} {best.value:.6g}"
    out(one_line(f"{counts}; best is trial {best.number}: {name}"))
    log.info("The best run is in %s", shown_path(best.runs[0].path))


def _print_plan(plan: Sweep, root: Path) -> None:
    """Print what would run."""
    from seqlab.sweeps.folder import sweep_folder
    from seqlab.sweeps.settings import Slurm

    settings = plan.settings
    out(one_line(f"sweep: {plan.name}, into {shown_path(sweep_folder(plan.name, root).path)}"))
    out(one_line(f"trials: {plan.trials} by {settings.search}, {settings.parallel} at once"))
    out(one_line(f"metric: {plan.metric.split} {plan.metric.name}, {plan.metric.take}"))
    for dimension in plan.dimensions:
        out(one_line(f"  {dimension.name}: {dimension.in_words()}"))
    if isinstance(settings.executor, Slurm):
        from seqlab.sweeps.slurm import script

        verbatim(script(plan, sweep_folder(plan.name, root), settings.executor))


command.add_command(status)
