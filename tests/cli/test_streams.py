"""Streams that are closed, full or read by nobody; Ctrl-C in the middle of anything."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SEQLAB = f"{shlex.quote(sys.executable)} -m seqlab"
QUICK = "--set train.epochs=null --set train.steps=2 --run-dir r"


def shell(command, **options):
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    "streams",
    [
        *("<&- >&- 2>&-", "2>/dev/full", "2> >(exec true)"),
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("2>&-", ">&-", "<&-")),
    ],
)
def test_a_run_ends_well_whoever_listens(experiment, streams):
    done = shell(f"exec {SEQLAB} run {experiment} {QUICK} {streams}", check=False)
    assert done.returncode == 0
    assert json.loads(Path("r/run.json").read_text())["status"] == "finished"
    for line in Path("r/metrics.jsonl").read_text().splitlines():
        assert json.loads(line)["step"] == 2
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full"])
def test_an_error_has_its_code_whoever_listens(streams):
    assert shell(f"exec {SEQLAB} run missing.yaml {streams}", check=False).returncode == 2


def test_no_file_gets_the_number_of_a_closed_stream(experiment):
    shell(f"exec {SEQLAB} run {experiment} {QUICK} >&- 2>&-", check=True)
    for file in Path("r").rglob("*"):
        assert not file.is_file() or b"seqlab: The run is in" not in file.read_bytes()


FOREIGN = """
import hashlib
from pathlib import Path
import seqlab
from seqlab_plugins.tokenizers.basic import Characters

class Slow(Characters):
    '''Learns for minutes in a call of C's, in which Python looks at no signal.'''

    def __init__(self):
        super().__init__()

    def fit(self, documents):
        Path("BEGUN").touch()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)

@seqlab.hookimpl
def seqlab_register_tokenizers():
    return {"slow": Slow}
"""


def interrupted(*arguments):
    """Start a command and press Ctrl-C in its foreign call; return how it ended, and how soon."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seqlab", *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not Path("BEGUN").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    return process.returncode, errors, time.monotonic() - pressed


def test_ctrl_c_acts_in_the_middle_of_a_long_foreign_call(experiment, drop):
    drop(FOREIGN)
    code, errors, seconds = interrupted("run", experiment, "--set", "tokenizer=slow")
    assert code == 130
    assert errors.strip().splitlines()[-1] == "seqlab: interrupted"
    assert seconds < 5  # one, and what a loaded machine takes


FASTER = """
import os, signal
from seqlab.cli.ctrl_c import _watch
from seqlab.interrupts import CtrlCHandler
from seqlab.runs.signals import stop_requests

handler = CtrlCHandler()
signal.signal(signal.SIGINT, handler)
reading, writing = os.pipe()
with stop_requests() as request:
    signal.getsignal(signal.SIGINT)(signal.SIGINT, None)
    os.write(writing, bytes([signal.SIGINT]))
    os.close(writing)
    _watch(reading, handler)
print("goes on to save", int(request.signal))
"""


def test_a_request_that_is_taken_before_the_watch_sees_it_ends_nothing():
    """As of a sweep, whose process only waits: Python acts before another thread gets a turn."""
    done = subprocess.run([sys.executable, "-c", FASTER], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("goes on to save 2\n", "", 0)


RAISING = """
import seqlab

class Odd(seqlab_plugins.tokenizers.basic.Characters):
    def __init__(self):
        super().__init__()
        {in_factory}

    def encode(self, text):
        {in_use}
        return super().encode(text)

@seqlab.hookimpl
def seqlab_register_tokenizers():
    return {{"odd": Odd}}
"""


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit(0)", "GeneratorExit"])
@pytest.mark.parametrize("method", ["in_factory", "in_use"])
def test_what_a_component_raises_is_its_failure(seqlab_command, experiment, drop, raised, method):
    bodies = {"in_factory": "pass", "in_use": "pass"} | {method: f"raise {raised}"}
    drop("import seqlab_plugins.tokenizers.basic" + RAISING.format(**bodies))
    done = seqlab_command("run", experiment, "--set", "tokenizer=odd", "--run-dir", "r")
    assert done.code == 3
    assert "tokenizer 'odd' of plugin 'dropped' failed" in done.err


EMPTY = [
    ("init", ""),
    ("run", ""),
    ("run", "tiny.yaml", "--run-dir", ""),
    ("run", "tiny.yaml", "--root", ""),
    ("plugins", "--plugins", ""),
    ("runs", "--root", ""),
    ("resume", ""),
    ("generate", "", "--prefix", "a"),
    ("generate", "x", "--prefixes-file", ""),
    ("eval", ""),
    ("compare", ""),
    ("doctor", ""),
    ("validate", ""),
    ("explain", ""),
    ("corpus", "describe", ""),
    ("corpus", "build", ""),
]


@pytest.mark.parametrize("arguments", EMPTY, ids=" ".join)
def test_an_empty_path_is_a_mistake(seqlab_command, experiment, arguments):
    Path("mine.py").write_text("open('RAN', 'w')")
    before = sorted(Path().rglob("*"))
    done = seqlab_command(*arguments)
    assert done.code == 2
    assert "empty" in done.err
    assert sorted(Path().rglob("*")) == before


def test_names_with_tabs_and_line_feeds_leave_a_table_whole(seqlab_command, trained_once):
    import shutil

    for number, name in enumerate(["a\tb", "c\nseqlab: forged", "\x1b[31mred"]):
        shutil.copytree(trained_once, f"runs/x/{number}")
        file = Path(f"runs/x/{number}/run.json")
        file.write_text(json.dumps(json.loads(file.read_text()) | {"name": name}))
    lines = seqlab_command("runs").out.splitlines()
    assert len(lines) == 4
    assert len({line.count("\t") for line in lines}) == 1
    assert "\x1b" not in "".join(lines)


def test_a_working_folder_that_is_gone_is_told(experiment):
    done = shell(f"mkdir gone && cd gone && rmdir ../gone && exec {SEQLAB} runs", check=False)
    assert done.returncode == 2
    assert "the working folder is gone" in done.stderr


def test_a_file_name_that_is_not_utf8_goes_through(seqlab_command, experiment):
    name = os.fsdecode(b"n\xff.yaml")
    Path(name).write_bytes(experiment.read_bytes())
    done = shell(f"exec {SEQLAB} run n*.yaml --set train.epochs=null --set train.steps=2")
    assert done.returncode == 0, done.stderr
    assert seqlab_command("validate", name).code == 0
    assert seqlab_command("runs").code == 0
    done = shell(f"{SEQLAB} generate latest --prefix the --length 3", check=False)
    assert done.returncode == 0, done.stderr
