"""The workers of a sweep on this machine: started once, and replaced when one is killed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from seqlab.errors import Interrupted, RunFailed, SeqlabError
from seqlab.runs.signals import stop_requests

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from seqlab.sweeps.job import Job

LOOK = 0.5  # seconds between two looks for a signal
PATIENCE = 30  # seconds for a worker that was told to end, before it is killed
MOST_DEATHS = 3  # of each worker in a row, before any of them has begun a trial

Told = Callable[[str, object], None]


class WorkerFailed(SeqlabError):
    """A worker could not go on; `exit_code` is what its error has."""

    def __init__(self, lines: tuple[str, ...], exit_code: int) -> None:
        super().__init__("\n".join(lines))
        self._lines, self.exit_code = lines, exit_code

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


class SweepInterrupted(SeqlabError):
    """A sweep was interrupted; its trials are saved."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("interrupted; running trials are saved, and the same command goes on")
        self.exit_code = exit_code


def run_workers(job: Job, parallel: int, told: Told, stopped: Callable[[], bool]) -> None:
    """Run a sweep in processes of this machine until all trials have ended.

    Args:
        job: of each worker.
        parallel: how many workers.
        told: is called with what they tell.
        stopped: whether to end early, once running trials are saved.

    Raises:
        SweepInterrupted: a signal came.
        WorkerFailed: a worker could not go on.
        RunFailed: workers are killed before they begin.
    """
    workers = Workers(job, told)
    with stop_requests() as request, workers.ending():
        workers.start(parallel)
        while workers.processes:
            workers.listen()
            if request.signal or stopped():
                workers.stop(request.signal or signal.SIGTERM)
    if request.signal:
        raise SweepInterrupted(request.exit_code)


class Workers:
    """Processes, each with a pipe on which it tells what it does."""

    def __init__(self, job: Job, told: Told) -> None:
        self._job, self._told = job, told
        self._context = multiprocessing.get_context("spawn")
        self.processes: dict[Connection, SpawnProcess] = {}
        self._stopping = False
        self._deaths = 0

    def start(self, number: int) -> None:
        """Start some more."""
        for _ in range(number):
            ours, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(target=worker_main, args=(self._job, theirs))
            process.start()
            theirs.close()
            self.processes[ours] = process

    def listen(self) -> None:
        """Pass on what workers tell; replace those that were killed."""
        for ready in wait(list(self.processes), timeout=LOOK):
            assert isinstance(ready, Connection)  # noqa: S101 # for the type checker
            try:
                what, of_what = ready.recv()
            except (EOFError, OSError):
                self._ended(ready)
                continue
            if what == "error":
                raise WorkerFailed(*of_what)
            self._deaths = 0
            self._told(what, of_what)

    def _ended(self, pipe: Connection) -> None:
        process = self.processes.pop(pipe)
        process.join(PATIENCE)
        if process.exitcode == 0 or self._stopping:
            return
        self._deaths += 1
        if self._deaths > MOST_DEATHS * (1 + len(self.processes)):
            raise RunFailed(f"workers are killed before they begin (exit code {process.exitcode})")
        self.start(1)

    def stop(self, number: int) -> None:
        """Tell all of them, once, to save and end."""
        if self._stopping:
            return
        self._stopping = True
        for process in self.processes.values():
            _send(process, number)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """After the block, however it ends, no worker is left."""
        try:
            yield
        finally:
            self.stop(signal.SIGTERM)
            for process in self.processes.values():
                process.join(PATIENCE)
                if process.is_alive():
                    process.kill()


def _send(process: SpawnProcess, number: int) -> None:
    with suppress(ProcessLookupError):
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, number)


# -- in a worker


def worker_main(job: Job, pipe: Connection) -> None:
    """Work in a process of one's own, and tell who started it."""
    os.setpgrp()  # Ctrl-C on the terminal comes from the parent, once
    _end_with_parent()
    _say_nothing()
    if job.sweep.settings.workers > 1:
        from seqlab.sweeps.ranks import work_on_ranks as work
    else:
        from seqlab.sweeps.working import work

    def tell(what: str, of_what: object) -> None:
        with suppress(OSError):  # the parent is gone, which another thread sees
            pipe.send((what, of_what))

    try:
        work(job, tell)
    except (KeyboardInterrupt, Interrupted) as error:
        sys.exit(getattr(error, "exit_code", 128 + signal.SIGINT))
    except SeqlabError as error:
        tell("error", (error.lines, error.exit_code))


def _end_with_parent() -> None:
    """Save and end when the process that started this one has died."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _say_nothing() -> None:
    """What a run says is in its log; a terminal shows trials alone."""
    logging.getLogger("seqlab").addHandler(logging.NullHandler())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):  # of processes that this one starts, too
        os.dup2(nowhere, descriptor)
