"""One process at a time in a run folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import UsageError
from seqlab.runs.lock import locked

HOLD = """
import time
from pathlib import Path
from seqlab.runs.lock import locked

with locked(Path("here")):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder():
    """A process that holds the lock of `here`."""
    Path("here").mkdir()
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_by_the_pid_and_host_of_the_first(holder):
    message = f"here: is in use by process {holder.pid} on {socket.gethostname()}"
    with pytest.raises(UsageError, match=message), locked(Path("here")):
        pass


def test_the_lock_of_a_killed_process_is_free(holder):
    holder.kill()
    holder.wait()
    with locked(Path("here")):
        assert str(os.getpid()) in Path("here/run.lock.json").read_text()


def test_a_lock_is_free_again_after_what_was_done_under_it_failed():
    Path("here").mkdir()
    with pytest.raises(ZeroDivisionError), locked(Path("here")):
        _ = 1 / 0
    with locked(Path("here")):
        pass
    assert [path.name for path in Path("here").iterdir()] == ["run.lock"]


def test_a_run_in_use_is_refused_before_torch_is_imported(full, registry):
    seqlab.run(full, run_dir="here", registry=registry)
    command = [sys.executable, "-X", "importtime", "-m", "seqlab", "resume", "here"]
    with locked(Path("here")):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    *imports, message = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert message == f"seqlab: here: is in use by process {os.getpid()} on {socket.gethostname()}"
    assert not [line for line in imports if line.endswith((" torch", " seqlab_plugins"))]


def test_only_the_first_process_of_a_launch_locks_the_run_that_it_resumes(
    full, registry, monkeypatch
):
    seqlab.run(full, run_dir="here", registry=registry)
    of_second = {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2}
    for name, value in (of_second | {"TORCHELASTIC_RUN_ID": "mine"}).items():
        monkeypatch.setenv(name, str(value))
    command = [sys.executable, "-m", "seqlab", "resume", "here"]
    with locked(Path("here")):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "2 processes cannot share a run" in ended.stderr  # it has one shard


def test_a_run_is_locked_while_it_trains(drop, full):
    drop(RESUMING)
    run = seqlab.run(full | {"observers": ["resuming"]}, run_dir="here")
    (message,) = run.description["observer_failures"]
    assert f"here: is in use by process {os.getpid()}" in message


RESUMING = """
    import seqlab

    class Resuming:
        def seqlab_epoch_ended(self, record):
            seqlab.resume("here")

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"resuming": Resuming}
"""


def test_a_run_in_use_can_still_be_read(full, registry):
    run = seqlab.run(full, registry=registry)
    with locked(run.path):
        assert seqlab.open_run(run.path, registry=registry).generate("the")
