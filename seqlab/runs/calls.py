"""A call of `seqlab.run` or `seqlab.resume` -> the same call in each of several processes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seqlab.arguments import whole_number
from seqlab.distributed.launched import Launched, check_workers, launched
from seqlab.distributed.launching import launch
from seqlab.distributed.lost import Lost
from seqlab.distributed.outcomes import (
    exit_code_of_worker,
    folder_of_launch,
    write_beginning,
    write_outcome,
)
from seqlab.errors import SeqlabError, UsageError
from seqlab.experiment import Experiment
from seqlab.experiment.located import Origin, locate
from seqlab.registry import Registry, Resolved, load_plugins
from seqlab.registry.given import NAME
from seqlab.remedies import Argument

MOST_WORKERS, MOST_RESTARTS = 1024, 1000


@dataclass(frozen=True)
class Workers:
    """How many processes take part, and how often all are started again after a failure."""

    number: int
    max_restarts: int

    @classmethod
    def asked_for(cls, workers: Any, max_restarts: Any) -> Workers | None:
        """Read the arguments of a call; None: this process takes part, or is alone.

        Raises:
            UsageError: they are no numbers, or so many processes cannot share a run.
        """
        number = whole_number(workers, "workers", 1, MOST_WORKERS)
        restarts = whole_number(max_restarts, "max_restarts", 0, MOST_RESTARTS)
        check_workers(number)
        return cls(number, restarts) if number > 1 and launched() is None else None


def call_on(
    workers: Workers, function: str, arguments: Mapping[str, Any], registry: Registry
) -> None:
    """Call a function in several processes that are started anew.

    Args:
        workers: how many.
        function: `run` or `resume`.
        arguments: of it, as JSON has them.
        registry: its plugins are loaded in each process too.

    Raises:
        SeqlabError: see `launch`; or plugins were given without a file.
    """
    if any(plugin.name == NAME for plugin in registry.plugins):
        raise UsageError(
            f"{Argument('workers')}: what is given in {Argument('plugins')} has no file from which"
            " other processes could load it; write it into a file in plugins/"
        )
    words = {"function": function, "arguments": arguments, "plugins": _chosen(registry)}
    with TemporaryDirectory(prefix="seqlab-") as folder:
        path = Path(folder, "call.json")
        path.write_text(json.dumps(words), "utf-8")
        command = [sys.executable, "-m", __name__, str(path)]
        launch(command, workers.number, workers.max_restarts)


def _chosen(registry: Registry) -> dict[str, Any]:
    """The arguments with which `load_plugins` loads the same ones."""
    choice = registry.choice
    dropped_in = Path(choice.folder or "plugins").absolute()
    paths = [plugin.path for plugin in registry.plugins if not plugin.distribution]
    files = [str(path) for path in paths if path and path.absolute().parent != dropped_in]
    return {**vars(choice), "files": files}


def packed(experiment: Experiment, resolved: Resolved) -> dict[str, Any]:
    """Return an experiment as JSON has it: paths are absolute, bases and overrides laid over."""
    return {
        "name": experiment.name,
        "tree": resolved.as_experiment(),
        "source": experiment.source,
        "overrides": list(experiment.overrides),
        "notices": list(resolved.notices),
    }


def _unpacked(name: str, tree: Any, source: str, **lists: Sequence[str]) -> Experiment:
    located = locate(tree, Origin("experiment", folder=Path.cwd()))
    return Experiment(name, located, source, **{k: tuple(v) for k, v in lists.items()})


def _answer(call: Mapping[str, Any]) -> None:
    from seqlab.runs.resuming import resume
    from seqlab.runs.running import run

    choice, arguments = call["plugins"], dict(call["arguments"])
    registry = load_plugins(**choice)
    if call["function"] == "run":
        experiment = _unpacked(**arguments.pop("experiment"))
        run(experiment, **arguments, registry=registry)
    else:
        resume(**arguments, registry=registry)


def _log_warnings(here: Launched) -> None:
    """Print warnings as a process does that was not launched, with the rank of those after it."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(f"rank {here.rank}: " * bool(here.rank) + "%(message)s"))
    logging.getLogger().addHandler(handler)


def _main(path: str) -> int:
    """Do a call in this process, which was launched; return its exit code."""
    here, folder = launched(), folder_of_launch()
    if here is None or folder is None:
        raise SystemExit("seqlab starts this; call seqlab.run(..., workers=N)")
    _log_warnings(here)
    write_beginning(folder, here)
    try:
        _answer(json.loads(Path(path).read_bytes()))
    except SeqlabError as error:
        lost = error.rank if isinstance(error, Lost) else None
        write_outcome(folder, here, error.exit_code, error.lines, lost)
        return exit_code_of_worker(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
