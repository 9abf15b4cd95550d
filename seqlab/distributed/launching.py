"""Start the processes of a run on this machine, by torch's elastic agent."""

from __future__ import annotations

import logging
import os
import signal
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from seqlab.distributed.outcomes import FOLDER, Outcome, read_outcomes
from seqlab.distributed.wishes import SIGNALS
from seqlab.errors import Interrupted, RunFailed, SeqlabError, UsageError

UNRESPONSIVE = 10  # seconds after which a process that does not end is killed


def launch(command: Sequence[str], workers: int, max_restarts: int = 0) -> None:
    """Run a command in several processes, which meet as one run, until it is done.

    Args:
        command: of every process, started anew and not forked.
        workers: how many processes.
        max_restarts: how often all are started again after one has failed.

    Raises:
        Interrupted: a signal ended the run, which is saved.
        RunFailed: what the process said that failed first, or that it was killed or hung.
        UsageError: the processes could not be started.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # we say it below

    with TemporaryDirectory(prefix="seqlab-") as folder, _environment(FOLDER, folder):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=workers,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=max_restarts,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            signals_to_handle="SIGQUIT",  # others are passed on once, and then it waits
            shutdown_timeout=UNRESPONSIVE,
        )
        try:
            with _passing_signals_on():
                elastic_launch(config, command[0])(*command[1:])
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            raise _failure(Path(folder), rank, failure.exitcode) from None
        _raise_if_ended_by_signal(read_outcomes(Path(folder)))


class EndedBySignal(Interrupted):
    """A signal ended the processes of a run; it is saved."""

    def __init__(self, outcome: Outcome) -> None:
        SeqlabError.__init__(self, "; ".join(outcome.lines))
        self.exit_code = outcome.code


class EndedByHand(EndedBySignal, KeyboardInterrupt):
    """Ctrl-C ended the processes of a run, and ends code around it."""


def _raise_if_ended_by_signal(outcomes: Sequence[Outcome]) -> None:
    """Raise what the first process said that a signal ended."""
    if outcomes and outcomes[0].code:
        by_hand = outcomes[0].code == 128 + signal.SIGINT
        raise (EndedByHand if by_hand else EndedBySignal)(outcomes[0])


class ProcessesFailed(RunFailed):
    """A process of a run failed; `exit_code` is its own."""

    def __init__(self, lines: Sequence[str], code: int) -> None:
        super().__init__("; ".join(lines))
        self._lines = tuple(lines)
        self.exit_code = code

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


def _failure(folder: Path, rank: int, exit_code: int) -> ProcessesFailed:
    """What the process said that failed first, or how it was killed."""
    outcomes = read_outcomes(folder)
    causes = [outcome for outcome in outcomes if outcome.lost is None]
    if causes:
        return ProcessesFailed(_said_by(causes[0]), causes[0].code)
    if exit_code < 0:
        how = f"was killed by {signal.Signals(-exit_code).name}"
        return ProcessesFailed([f"rank {rank} {how}"], RunFailed.exit_code)
    told = {outcome.rank for outcome in outcomes}
    silent = [outcome for outcome in outcomes if outcome.lost not in told]  # who began it
    line = next((line for outcome in silent or outcomes for line in outcome.lines), "")
    return ProcessesFailed([line or f"rank {rank} failed"], RunFailed.exit_code)


def _said_by(outcome: Outcome) -> list[str]:
    """What a process said, with its rank unless it is what one process would have said."""
    is_of_all = outcome.rank == 0 and outcome.code != RunFailed.exit_code
    return [line if is_of_all else f"rank {outcome.rank}: {line}" for line in outcome.lines]


@contextmanager
def _passing_signals_on() -> Iterator[None]:
    """Send each signal that this process gets to those that it starts, and wait for them."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return
    others = set(children())

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for child in _started(others):
            os.kill(child, number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _started(others: Collection[int]) -> list[int]:
    return [child for child in children() if child not in others]


def children() -> list[int]:
    """The processes that this one has started and that have not ended."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        raise UsageError("several processes need Linux, with /proc") from None


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
