"""What a run does when it is interrupted, when the disk is full, when a plugin misbehaves."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.atomic import atomic_folder, remove_folder
from seqlab.errors import Interrupted, RunFailed
from seqlab.experiment.yaml12 import dump_yaml
from seqlab.training import checkpoint
from seqlab.training.checkpoint import steps_saved

MISBEHAVING = """
    import os
    from seqlab import hookimpl

    class Signals:
        '''Sends signals to its own process after a step.'''

        def __init__(self, *, step: int, signals: list[int]):
            self.step, self.signals = step, signals

        def seqlab_step_ended(self, record):
            for number in self.signals if record.step == self.step else ():
                os.kill(os.getpid(), number)

    class Broken:
        def seqlab_epoch_ended(self, record):
            raise ValueError("oh")

    @hookimpl
    def seqlab_register_observers():
        return {"signals": Signals, "broken": Broken}
"""


@pytest.fixture
def whole(full, drop):
    """Run the full experiment into `here`, with other sections and a plugin that misbehaves."""
    drop(MISBEHAVING)

    def whole(where="here", **sections):
        return seqlab.run(full | sections, run_dir=where)

    return whole


@pytest.fixture
def finished(full_once):
    """Copy a finished run of the full experiment."""

    def finished(where="here"):
        return seqlab.open_run(shutil.copytree(full_once, where))

    return finished


def pressing(step, *signals):
    return [{"name": "signals", "step": step, "signals": [int(number) for number in signals]}]


UNDER_A_TERMINAL = """
import signal
from seqlab.cli.main import main

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be run under nohup
main()
"""


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_a_signal_saves_the_run_and_says_how_to_go_on_to_the_bit(
    sent, code, full, drop, finished, facts
):
    expected = facts(finished("whole"))
    drop(MISBEHAVING)
    Path("full.yaml").write_text(dump_yaml(full | {"observers": pressing(12, sent)}), "utf-8")
    command = [sys.executable, "-c", UNDER_A_TERMINAL, "run", "full.yaml", "--run-dir", "here"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    message = "seqlab: interrupted after step 12; it is saved. To go on: seqlab resume here"
    assert ended.stderr.splitlines()[-1] == message
    assert seqlab.open_run("here").description["status"] == "interrupted"
    assert facts(seqlab.resume("here", overrides=["observers=[]"])) == expected


def test_the_second_ctrl_c_ends_a_run_at_once(whole):
    with pytest.raises(KeyboardInterrupt):
        whole(observers=pressing(12, signal.SIGINT, signal.SIGINT))
    assert steps_saved(Path("here/checkpoints"))[-1] == 10
    assert seqlab.open_run("here").description["status"] == "interrupted"


def test_ctrl_c_is_heard_where_a_shell_has_it_ignored(whole):
    """As it does for what it starts with &."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(Interrupted):
            whole(observers=pressing(12, signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_nohup_ignores_is_ignored(whole):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert whole(observers=pressing(12, signal.SIGHUP)).description["step"] == 20
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_do_what_they_did_once_a_run_has_ended(whole):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        whole(observers=pressing(12, signal.SIGINT))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_observer_that_raises_is_switched_off_and_remembered(whole, facts, caplog):
    run = whole(observers=["broken"])
    (failure,) = run.description["observer_failures"]
    assert re.fullmatch(
        r"observer 'broken' failed: ValueError: oh \(plugins/dropped\.py, line \d+\)", failure
    )
    assert caplog.text.count("it is switched off") == 1
    assert facts(run) == facts(whole("unwatched"))


FORGETFUL = """
    from seqlab import hookimpl

    class Forgetful:
        def seqlab_run_ended(self, record): pass

        def state_dict(self):
            return {"seen": self.seen}

        def load_state_dict(self, state):
            self.seen = state["seen"]

    @hookimpl
    def seqlab_register_observers():
        return {"forgetful": Forgetful}
"""


def test_an_observer_whose_state_cannot_be_had_is_switched_off(full, drop, registry, facts):
    expected = facts(seqlab.run(full, run_dir="unwatched", registry=registry))
    drop(FORGETFUL)
    run = seqlab.run(full | {"observers": ["forgetful"]}, run_dir="here")
    (failure,) = run.description["observer_failures"]
    assert failure.startswith("observer 'forgetful' failed: AttributeError: ")
    assert facts(run) == expected


@pytest.fixture
def full_disk(monkeypatch):
    """Let there be no room for some files, once they are opened to be written."""

    @contextmanager
    def full_disk(is_full):
        opened = os.open

        def opened_unless_full(path, flags, *rest, **options):
            if flags & (os.O_WRONLY | os.O_RDWR) and is_full(Path(path)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return opened(path, flags, *rest, **options)

        with monkeypatch.context() as own:
            own.setattr(os, "open", opened_unless_full)
            yield

    return full_disk


def test_a_disk_that_is_full_at_a_later_save_leaves_a_run_to_go_on_with(
    whole, finished, facts, full_disk
):
    expected = facts(finished("whole"))

    def full_later(path):
        later = Path("here/checkpoints/step-00000010").exists()
        return later and path.name == "model.safetensors"

    with full_disk(full_later), pytest.raises(RunFailed, match="No space left on device"):
        whole()
    assert seqlab.open_run("here").description["status"] == "failed"
    assert facts(seqlab.resume("here")) == expected


def test_records_that_cannot_be_cut_back_are_one_message(finished, full_disk):
    run = finished()
    with (
        full_disk(lambda path: path.name == "metrics.jsonl"),
        pytest.raises(RunFailed, match=r"metrics.jsonl: cannot be written \(No space left"),
    ):
        seqlab.resume(run.path, checkpoint=10)


def test_a_log_that_cannot_be_written_is_said_once_and_ends_no_run(
    whole, finished, facts, monkeypatch, caplog, capsys
):
    expected = facts(finished("whole"))

    def no_room(handler, record):
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            handler.handleError(record)

    monkeypatch.setattr(logging.FileHandler, "emit", no_room)
    assert facts(whole()) == expected
    (message,) = (text for text in caplog.messages if "has gaps" in text)
    assert message.endswith("log.txt: has gaps ([Errno 28] No space left on device)")
    assert "Traceback" not in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_written_is_named(whole, full_disk):
    message = r"here/checkpoints/step-0000000\d: the checkpoint cannot be saved \(No space left on"
    no_room = full_disk(lambda path: path.name == "model.safetensors")
    with no_room, pytest.raises(RunFailed, match=message):
        whole()


def test_the_latest_checkpoints_are_kept_and_the_best_besides(full, whole):
    train = full["train"] | {"average": None, "checkpoint": {"every": 4, "keep": 2}}
    doubled = {"name": "sgd", "lr": 1.0, "weight_decay": 3.0}  # weights, at each step
    run = whole(optimizer=doubled, train=train)
    best = run.description["best"]["step"]
    losses = {row["step"]: row["loss"] for row in run.metrics if row["split"] == "valid"}
    assert best == min(losses, key=losses.get) < 16
    assert steps_saved(run.path / "checkpoints") == [best, 16, 20]


@pytest.mark.parametrize(
    ("every", "expected"),
    [("2 epochs", [14, 20]), (8, [8, 16, 20]), (None, [20]), ("1 minute", [20])],
)
def test_checkpoints_come_as_often_as_was_asked_and_at_the_end(every, expected, full, registry):
    del full["evaluation"], full["train"]["stop"]
    train = full["train"] | {"checkpoint": {"every": every, "keep": 9}}
    run = seqlab.run(full | {"train": train}, registry=registry)
    assert steps_saved(run.path / "checkpoints") == expected


def test_a_run_ends_when_its_minutes_are_over(full, whole):
    run = whole(train=full["train"] | {"max_minutes": 1e-9})
    assert run.checkpoint.step == run.description["step"] < 20
    assert run.description["status"] == "finished"
    assert "minutes are over" in run.description["ended_because"]


def test_a_run_that_cannot_begin_leaves_no_folder(full, whole):
    with pytest.raises(seqlab.CorpusError, match="the corpus is too short"):
        whole("runs/here", sampler={"name": "consecutive", "batch_size": 600, "window": 8})
    assert not Path("runs").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from seqlab.atomic import remove_folder, atomic_folder

with atomic_folder(Path(sys.argv[1])) as place:
    (place / "some.bin").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left_by_a_killed_process(path):
    """Have a process killed while it makes a folder; return what it left."""
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (left,) = path.parent.glob(f".{path.name}.*.tmp")
    return left


def test_what_a_killed_process_left_half_made_is_removed_at_the_next_start(whole):
    left = left_by_a_killed_process(Path("runs/here"))
    whole("runs/here")
    assert not left.exists()


def test_what_another_process_still_makes_stays(whole):
    with atomic_folder(Path("runs/here")) as being_made:
        with atomic_folder(Path("runs/here")):
            pass
        assert being_made.exists()
        Path("runs/here").rmdir()


def test_half_made_checkpoints_of_a_dead_process_are_removed_by_resuming(finished):
    run = finished()
    left = left_by_a_killed_process(run.path / "checkpoints/step-00000011")
    seqlab.resume(run.path, checkpoint=18)
    assert not left.exists()


@pytest.mark.parametrize("name", [".photos.2019.tmp", ".a.0123456789abcdef.tmp", "run.json.tmp"])
@pytest.mark.parametrize("path", [".", "here", "here/checkpoints"])
def test_a_folder_that_seqlab_did_not_make_stays_whatever_its_name(
    finished, full, registry, name, path
):
    finished()
    mine = Path(path, name, "mine.jpg")
    mine.parent.mkdir()
    mine.touch()
    seqlab.resume("here", checkpoint=18)
    seqlab.run(full, overrides=["train.steps=5"], run_dir="there", registry=registry)
    assert mine.exists()


@pytest.mark.parametrize("name", ["step-00000011", "step-00000099", "step-²", ".step-00000011.old"])
def test_a_folder_among_checkpoints_that_is_none_stays(finished, name):
    mine = finished().path / "checkpoints" / name / "mine.jpg"
    mine.parent.mkdir()
    mine.touch()
    seqlab.resume("here", checkpoint=18)
    assert mine.exists()


def test_a_checkpoint_that_was_being_replaced_is_put_back(finished, facts):
    run = finished()
    expected, checkpoints = facts(run), run.path / "checkpoints"
    (checkpoints / "step-00000020").rename(checkpoints / ".step-00000020.0123456789abcdef.old")
    assert steps_saved(checkpoints)[-1] == 18
    with pytest.raises(seqlab.SeqlabError, match="has all of its 20 steps"):
        seqlab.resume(run.path)
    assert facts(run) == expected


def test_the_folder_of_a_run_is_complete_when_its_name_appears(drop, full):
    drop(WATCHING)
    seqlab.run(full | {"observers": ["watching"]})
    files = {"experiment.yaml", "resolved.yaml", "run.json", "metrics.jsonl", "samples.jsonl"}
    assert files <= set(Path("seen.txt").read_text().split())


WATCHING = """
    from pathlib import Path
    from seqlab import hookimpl

    class Watching:
        def seqlab_run_started(self, record):
            names = [path.name for path in Path(record.folder).iterdir()]
            Path("seen.txt").write_text(" ".join(names))

    @hookimpl
    def seqlab_register_observers():
        return {"watching": Watching}
"""


def test_a_deterministic_run_leaves_torch_as_it_was(full, whole):
    whole(train=full["train"] | {"deterministic": True})
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_checkpoint_that_was_being_removed_is_removed_by_resuming(finished, monkeypatch):
    run = finished()

    def killed(path, *_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as own:
        own.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_folder(run.path / "checkpoints/step-00000018", checkpoint.FILES)
    (left,) = (run.path / "checkpoints").glob(".step-00000018.*.tmp")
    seqlab.resume(run.path, checkpoint=15)
    assert not left.exists()
