"""What this system has and others lack is taken away, and everything goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.experiment.yaml12 import dump_yaml

WITHOUT = """
import torch, filelock, rich, pydantic, numpy, safetensors.torch  # others may do as they like
import os, signal, sys

for name in {names!r}:
    if name.startswith("SIG"):
        vars(signal).pop(name, None)
    else:
        vars(os).pop(name, None)
if {modules!r}:
    for name in {modules!r}:
        sys.modules[name] = None
from seqlab.cli.main import call

for command in {commands!r}:
    if code := call(command.split()):
        sys.exit(code)
"""
COMMANDS = (
    "run a.yaml --run-dir r",
    "resume r --set train.steps=6",
    "generate r --prefix the",
    "runs --root .",
)
LACKING = {
    "O_NOFOLLOW": (["O_NOFOLLOW"], []),
    "the sync of a folder": (["O_DIRECTORY"], []),
    "flock": ([], ["fcntl"]),
    "signals": (["SIGHUP"], []),
    "resources and terminals": ([], ["resource", "termios", "readline", "pwd"]),
    "all of them": (
        ["O_NOFOLLOW", "O_DIRECTORY", "SIGHUP"],
        ["fcntl", "resource", "termios", "readline", "pwd"],
    ),
}
QUICK = ("flock", "all of them")


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        pytest.param(*lacking, id=name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name, lacking in LACKING.items()
    ],
)
def test_a_run_is_begun_and_goes_on_without(tiny, names, modules):
    Path("a.yaml").write_text(dump_yaml(tiny | {"train": {"steps": 4, "epochs": None}}))
    script = WITHOUT.format(names=names, modules=modules, commands=COMMANDS)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_link_is_seen_without_the_systems_help(tmp_path):
    script = (
        "import os; del os.O_NOFOLLOW, os.O_NONBLOCK\n"
        "from pathlib import Path; from seqlab.files import read\n"
        "Path('f').write_text('x'); Path('link').symlink_to('f'); os.mkfifo('pipe')\n"
        "for name in ('link', 'pipe'):\n"
        "    try: read(Path(name), 9)\n"
        "    except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "is a link, and links are not followed here",
        "is a pipe, not a file",
    ]
