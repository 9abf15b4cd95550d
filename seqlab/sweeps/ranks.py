"""A worker whose trials compute on several processes, which live on from trial to trial.

The worker launches them; the first one takes trials, and tells the others which run is next.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from seqlab.distributed.joining import end_with_launcher, launcher_store
from seqlab.distributed.launched import Launched, launched
from seqlab.distributed.launching import ProcessesFailed, launch
from seqlab.distributed.lost import Lost
from seqlab.distributed.outcomes import (
    exit_code_of_worker,
    folder_of_launch,
    write_beginning,
    write_outcome,
)
from seqlab.distributed.wishes import SIGNALS
from seqlab.errors import SeqlabError
from seqlab.registry import Registry, load_plugins
from seqlab.runs.folder import RunFolder
from seqlab.runs.resuming import resume
from seqlab.runs.trial import Trial
from seqlab.sweeps.folder import SweepFolder
from seqlab.sweeps.job import Job
from seqlab.sweeps.running import Runner, begin_run
from seqlab.sweeps.space import Point
from seqlab.sweeps.study import Study
from seqlab.sweeps.working import Tell, Worker, work_with

LAUNCH = "TORCHELASTIC_RUN_ID"
LOOK = 0.02  # seconds between two looks for the next run
MOST_FAILED = 3  # launches in a row in which no trial has ended
JOB, SOCKET = "job", "socket"


def work_on_ranks(job: Job, tell: Tell) -> None:
    """Run trials, each on several processes, until all have ended.

    Raises:
        Interrupted: a signal came; the run is saved.
        SystemExit: a signal came, and there was no run to save.
        SeqlabError: the processes fail before they end a trial.
    """
    with TemporaryDirectory(prefix="seqlab-sweep-") as name:
        Path(name, JOB).write_bytes(pickle.dumps(job))
        relay = _Relay(Path(name, SOCKET), tell)
        failed = 0
        while True:
            before = relay.ended
            try:
                launch([sys.executable, "-m", __name__, name], job.sweep.settings.workers)
                return
            except ProcessesFailed as error:
                _end_if_told(error)
                failed = 0 if relay.ended > before else failed + 1
                if failed == MOST_FAILED:
                    raise


def _end_if_told(error: ProcessesFailed) -> None:
    """End this process if a signal, which it passed on, ended those that had no run to save."""
    for number in SIGNALS:
        if any(line.endswith(f"killed by {signal.Signals(number).name}") for line in error.lines):
            raise SystemExit(128 + number) from error


class _Relay:
    """Passes on what the first process tells; `ended` counts trials."""

    def __init__(self, path: Path, tell: Tell) -> None:
        self._listener, self._tell, self.ended = Listener(str(path)), tell, 0
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._listener.accept() as connection:
                self._pass_on(connection)

    def _pass_on(self, connection: Connection) -> None:
        while True:
            try:
                what, of_what = connection.recv()
            except (EOFError, OSError):
                return
            self.ended += what == "ended"
            self._tell(what, of_what)


# -- in the processes


def _main(folder: Path) -> int:
    """Take part in this process, which was launched; return its exit code."""
    here, launch_folder = launched(), folder_of_launch()
    if here is None or launch_folder is None:
        raise SystemExit("a sweep starts this, where it has `workers`")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is a run to save
    logging.getLogger("seqlab").addHandler(logging.NullHandler())
    write_beginning(launch_folder, here)
    try:
        _take_part(here, folder)
    except SeqlabError as error:
        lost = error.rank if isinstance(error, Lost) else None
        write_outcome(launch_folder, here, error.exit_code, error.lines, lost)
        return exit_code_of_worker(error.exit_code)
    return 0


def _take_part(here: Launched, folder: Path) -> None:
    """The first process takes trials, the others follow it."""
    end_with_launcher()
    job: Job = pickle.loads((folder / JOB).read_bytes())  # noqa: S301 # of our own parent
    registry = load_plugins(job.plugins, local=job.local, without=job.without)
    turns = Turns(here)
    if here.rank:
        _follow(job, registry, turns)
        return
    connection = Client(str(folder / SOCKET))
    sweep_folder = SweepFolder(job.folder)
    runner = RanksRunner(job, registry, turns)
    with Study(job.sweep, sweep_folder, reach=job.reach) as study:
        worker = Worker(job, sweep_folder, study, runner)
        work_with(worker, lambda what, of_what: connection.send((what, of_what)))
    turns.give({"what": "end"})


class Turns:
    """What the first process tells the others: which run is next."""

    def __init__(self, here: Launched) -> None:
        self._store, self._number, self._id = launcher_store(here), 0, here.id

    def give(self, turn: dict[str, Any]) -> None:
        self._number += 1
        self._store.set(self._key, json.dumps(turn))
        self._name_launch()

    def next(self) -> dict[str, Any]:
        """Wait for the next one, for as long as the launcher lives."""
        self._number += 1
        while not self._store.check([self._key]):
            time.sleep(LOOK)
        turn: dict[str, Any] = json.loads(self._store.get(self._key))
        self._name_launch()
        return turn

    @property
    def _key(self) -> str:
        return f"sweep/{self._id}/{self._number}"

    def _name_launch(self) -> None:
        """Give each run a launch of its own: what one has said is not heard in the next."""
        os.environ[LAUNCH] = f"{self._id}-{self._number}"


@dataclass(frozen=True)
class RanksRunner(Runner):
    """Runs on all processes of the launch."""

    turns: Turns
    ends_at_failure = True

    def begin(self, point: Point, index: int, folder: RunFolder, trial: Trial) -> None:
        self._tell("begin", folder, point=dict(point), index=index)
        super().begin(point, index, folder, trial)

    def go_on(self, folder: RunFolder, trial: Trial) -> None:
        self._tell("resume", folder)
        super().go_on(folder, trial)

    def _tell(self, what: str, folder: RunFolder, **more: Any) -> None:
        self.turns.give({"what": what, "folder": str(folder.path), **more})


def _follow(job: Job, registry: Registry, turns: Turns) -> None:
    while (turn := turns.next())["what"] != "end":
        folder = RunFolder(Path(turn["folder"]))
        if turn["what"] == "begin":
            begin_run(job, registry, turn["point"], turn["index"], folder, None)
        else:
            resume(folder.path, registry=registry)


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
