"""A run on eight hosts, by torchrun: the same bits, and what happens when one of them vanishes."""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.distributed.launches import (
    BAR,
    LONGEST,
    Launch,
    experiment,
    run,
    start,
    wait_for_step,
)
from benchmarks.distributed.network import INTERFACE, Host, can_make_hosts, network
from benchmarks.reliability.equality import differences
from benchmarks.reliability.outcome import Outcome

HOSTS, QUICK_HOSTS = 8, 2
PORT = 29400
STEPS, QUICK_STEPS = 100, 10
FOREVER = 100_000  # steps
NEEDS = "not run: needs Linux, root and `ip`"


@dataclass
class Torchrun:
    """A run that torchrun starts on all hosts, one process each.

    Args:
        hosts: where; the rendezvous is on the first.
        file: the experiment, whose run is gone on with where there is one.
        folder: of the run, and of what is printed.
    """

    hosts: Sequence[Host]
    file: Path
    folder: Path
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def place(self) -> Path:
        return self.folder / "run"

    def start(self, number: int) -> Launch:
        """Start the part of one host."""
        host = self.hosts[number]
        options = {
            "nnodes": len(self.hosts),
            "nproc-per-node": 1,
            "rdzv-backend": "c10d",
            "rdzv-id": self.id,
            "rdzv-endpoint": f"{self.hosts[0].address}:{PORT}",
            "rdzv-conf": f"is_host={int(number == 0)}",
            "local-addr": host.address,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        torchrun = [sys.executable, "-m", "torch.distributed.run", *words]
        command = [*torchrun, "-m", "seqlab", "run", str(self.file), "--run-dir", str(self.place)]
        command += ["--resume", "auto"]
        environment = {"GLOO_SOCKET_IFNAME": INTERFACE, "OMP_NUM_THREADS": "1"}
        log = self.folder / f"host-{number}.txt"
        return start(host.command(command), log, environment, f"{self.id}-{number}")


def same_bits(quick: bool) -> Outcome:
    """Run on eight hosts, and on one process."""
    count, steps = (QUICK_HOSTS, QUICK_STEPS) if quick else (HOSTS, STEPS)
    what = f"{count} hosts (network namespaces), `torchrun --nnodes {count}`, rendezvous over TCP"
    if not can_make_hosts():
        return Outcome(what, NEEDS)
    with tempfile.TemporaryDirectory() as temporary, network(count) as hosts:
        folder = Path(temporary)
        file = experiment(folder, "gru", steps=steps, shards=8)
        run(["run", file, "--run-dir", folder / "alone"], folder / "log.txt")
        torchrun = Torchrun(hosts, file, folder)
        with _started(torchrun) as launches:
            missed = [line for n, launch in enumerate(launches) for line in _failed(n, launch)]
        missed = missed or differences(folder / "alone", torchrun.place)
    return Outcome(what, f"equal to the bit to one process after {steps} steps", missed)


def cut_off(quick: bool) -> Outcome:
    """Take the cable out of a host: all ranks end, its own too.

    Its torchrun is not ours: it waits for the rendezvous, which it no longer reaches.
    """
    count = QUICK_HOSTS if quick else HOSTS
    what = f"the last of {count} hosts loses its link"
    if not can_make_hosts():
        return Outcome(what, NEEDS)
    with tempfile.TemporaryDirectory() as temporary, network(count) as hosts:
        folder = Path(temporary)
        file = experiment(folder, "gru", steps=FOREVER, shards=8, checkpoint={"every": 10})
        torchrun = Torchrun(hosts, file, folder)
        with _started(torchrun) as launches:
            wait_for_step(launches[0], torchrun.place)
            hosts[-1].cut_off()
            seconds, missed = _until_ended(launches)
            named = any(f"rank {count - 1}" in launch.output for launch in launches[:-1])
            missed += [] if named else [f"its rank is not named: {launches[0].output[-500:]}"]
            waits = " (its own torchrun still waits)" * bool(launches[-1].processes())
    return Outcome(
        what,
        f"all ranks, and torchrun on the other hosts, ended after {seconds:.0f} s (bar:"
        f" {BAR:.0f} s), and its rank is named{waits}",
        missed,
    )


def begun_again(quick: bool) -> Outcome:
    """Kill all of a host, wait until the others have ended, and start all anew, as Slurm would."""
    count, steps = (QUICK_HOSTS, 100) if quick else (HOSTS, 200)
    what = f"the last of {count} hosts is killed, and the same command started on all once more"
    if not can_make_hosts():
        return Outcome(what, NEEDS)
    with tempfile.TemporaryDirectory() as temporary, network(count) as hosts:
        folder = Path(temporary)
        file = experiment(folder, "gru", steps=steps, shards=8, checkpoint={"every": 10})
        run(["run", file, "--run-dir", folder / "alone"], folder / "log.txt")
        with _started(Torchrun(hosts, file, folder)) as launches:
            wait_for_step(launches[0], folder / "run")
            launches[-1].kill()
            seconds, missed = _until_ended(launches)
        with _started(Torchrun(hosts, file, folder)) as launches:
            missed += [line for n, launch in enumerate(launches) for line in _failed(n, launch)]
        missed = missed or differences(folder / "alone", folder / "run")
    return Outcome(
        what,
        f"the others ended after {seconds:.0f} s (bar: {BAR:.0f} s); with `--resume auto` the run"
        f" went on, equal to the bit after {steps} steps",
        missed,
    )


@contextmanager
def _started(torchrun: Torchrun) -> Iterator[list[Launch]]:
    """Start all hosts; leave no process behind."""
    launches = [torchrun.start(number) for number in range(len(torchrun.hosts))]
    try:
        yield launches
    finally:
        for launch in launches:
            launch.kill()


def _failed(number: int, launch: Launch) -> Iterator[str]:
    """Wait for a host; yield what it said if it failed."""
    if code := launch.wait(LONGEST):
        yield f"host {number}: exit code {code}: {launch.output[-500:]}"


def _until_ended(launches: Sequence[Launch]) -> tuple[float, list[str]]:
    """Wait for all hosts, of the last one for its ranks; return seconds, and what was missed."""
    since, missed = time.monotonic(), []
    for number, launch in enumerate(launches):
        left = 2 * BAR - (time.monotonic() - since)
        is_last = number == len(launches) - 1
        if launch.seconds_until_ended(max(left, 1.0), only_ranks=is_last) is None:
            missed.append(f"host {number}: left are processes {sorted(launch.processes())}")
    seconds = time.monotonic() - since
    return seconds, missed + [f"{seconds:.0f} s until all had ended"] * (seconds > BAR)
