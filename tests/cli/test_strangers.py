"""Folders that somebody else made: nothing of them runs, and what is wrong is one line."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import seqlab
from seqlab.runs.git_commit import find_repository
from seqlab.training.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
    steps_saved,
)


@pytest.fixture
def runs(trained_once):
    """Two copies of a finished run under `runs/`; return the first."""
    for number in "12":
        shutil.copytree(trained_once, Path("runs/x", number))
    return Path("runs/x/1")


def change(run, **values):
    """Write other values into `run.json`."""
    file = run / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


SHAPES = {
    "no more than a format": '{"format": 1}',
    "a list": "[]",
    "a deep list": "[" * 200_000 + "]" * 200_000,
    "nothing": "",
    "no text": b"\xff\xfe\x00",
    "a number of 5,000 digits": "1" * 5_000,
}


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("verb", ["compare", "generate", "eval", "resume"])
def test_a_run_json_of_another_shape_is_one_line(seqlab_command, runs, verb, content):
    data = content if isinstance(content, bytes) else content.encode()
    (runs / "run.json").write_bytes(data)
    prefix = ["--prefix", "the"] if verb == "generate" else []
    done = seqlab_command(verb, runs, *prefix)
    assert done.code == 4
    (complaint,) = done.complaints
    assert "run.json: is damaged" in complaint


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "samples.jsonl"])
def test_the_doctor_names_a_damaged_record(seqlab_command, runs, name):
    (runs / name).write_text("[]\n")
    done = seqlab_command("doctor", runs)
    assert done.code == 4
    assert f"{name}\t" in done.out
    assert "is damaged" in done.out


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_a_damaged_run_hides_no_other(seqlab_command, runs, content):
    data = content if isinstance(content, bytes) else content.encode()
    (runs / "run.json").write_bytes(data)
    done = seqlab_command("runs")
    assert done.code == 0
    assert "damaged" in done.out
    assert "finished" in done.out
    assert seqlab_command("generate", "here", "--prefix", "the").code in (0, 2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("status", "excellent"), ("step", -1), ("step", True), ("seed", "0"), ("plugins", {})),
        *(("corpus", {"name": 1}), ("best", {"step": "7"}), ("versions", [])),
        *(("overrides", "train.steps=2"), ("vocabulary", {"size": 1e3, "sha256": ""})),
    ],
)
def test_a_value_of_another_kind_is_named(seqlab_command, runs, key, value):
    change(runs, **{key: value})
    done = seqlab_command("compare", runs)
    assert done.code == 4
    assert f"'{key}" in done.err


@pytest.mark.parametrize("value", ["true", "-5", "NaN", '"3"', "[3]", "1e999"])
def test_a_perplexity_that_is_none_is_never_shown(seqlab_command, runs, value):
    (runs / "metrics.jsonl").write_text(
        (runs / "metrics.jsonl")
        .read_text()
        .replace('"perplexity": ', f'"perplexity": {value}, "x": ')
    )
    assert seqlab_command("compare", runs).code == 4
    line = next(line for line in seqlab_command("runs").out.splitlines() if "\t1\t" in line)
    assert line.split("\t")[2:5:2] == ["damaged", ""]


@pytest.mark.parametrize("state", [{"characters": [97] * 9}, {"characters": "7"}, {}, None, [1], 7])
@pytest.mark.parametrize("verb", ["generate", "eval", "resume"])
def test_a_vocabulary_that_is_not_the_weights_is_a_damaged_checkpoint(
    seqlab_command, runs, verb, state
):
    folder = runs / "checkpoints"
    saved = load_checkpoint(checkpoint_path(folder, steps_saved(folder)[-1]))
    saved.state["tokenizer"] = state
    save_checkpoint(folder, saved)
    more = {"generate": ["--prefix", "t"], "eval": ["--split", "train"], "resume": []}[verb]
    done = seqlab_command(verb, runs, *more)
    assert done.code == 4
    assert "checkpoints/step-" in done.err
    assert "vocabulary" in done.err


def test_weights_are_compared_before_room_is_made_for_a_model(seqlab_command, runs):
    resolved = runs / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("hidden_size: 16", "hidden_size: 400000"))
    done = seqlab_command("generate", runs, "--prefix", "the")
    assert done.code == 4
    assert "the weights do not fit this model" in done.err


THEIRS = "from pathlib import Path; Path('EXECUTED').touch()\n"


@pytest.mark.parametrize("below", [".", "checkpoints"])
def test_a_run_folder_as_the_working_folder_runs_nothing(seqlab_command, runs, monkeypatch, below):
    plugins = runs / below / "plugins"
    plugins.mkdir()
    (plugins / "theirs.py").write_text(THEIRS)
    monkeypatch.chdir(runs / below)
    done = seqlab_command("plugins")
    assert done.code == 0
    assert not Path("EXECUTED").exists()
    assert "are not loaded; if you trust them: --plugins plugins" in done.err
    seqlab_command("plugins", "--plugins", "plugins")
    assert Path("EXECUTED").exists()


def test_compiled_code_beside_a_dropped_in_file_is_not_run(drop):
    hook = "@seqlab.hookimpl\ndef seqlab_register_cells(): return {{}}\n"
    honest = "import seqlab\nclass {}: pass\n" + hook
    drop(honest.format("Evil"))
    cached = py_compile.compile("plugins/dropped.py")
    at = Path("plugins/dropped.py").stat()
    drop(honest.format("Good"))
    os.utime("plugins/dropped.py", ns=(at.st_atime_ns, at.st_mtime_ns))
    assert Path(cached).exists()
    seqlab.load_plugins()
    assert not hasattr(sys.modules["seqlab_dropped_in_dropped"], "Evil")


def test_the_copy_in_a_run_is_of_the_bytes_that_ran(drop, tiny):
    drop(OTHER_LATER)
    run = seqlab.run(tiny | {"observers": ["changes"]}, run_dir="r")
    assert (run.path / "plugins/dropped.py").read_text() == dedent(OTHER_LATER)


OTHER_LATER = """
    from pathlib import Path
    import seqlab

    Path(__file__).write_text("raise SystemExit")

    class Changes:
        def seqlab_run_started(self, record): pass

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"changes": Changes}
"""


@pytest.mark.parametrize("setting", ["core.fsmonitor", "filter.x.clean", "core.pager"])
def test_the_settings_of_a_repository_run_nothing_and_its_commit_is_known(tiny, setting):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    Path(".gitattributes").write_text("* filter=x\n")
    for arguments in (["init", "-q"], ["add", "text.txt"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    subprocess.run([*git, "config", setting, "touch EXECUTED; false"], check=True)
    index = Path(".git/index").read_bytes()
    Path("text.txt").touch()
    state = seqlab.run(tiny, run_dir="r").description["git"]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert state == {"commit": head.stdout.strip(), "clean": True}
    assert not Path("EXECUTED").exists()
    assert Path(".git/index").read_bytes() == index


def test_the_commit_of_a_packed_reference_and_of_a_worktree_is_known(tiny):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    for arguments in (
        ["init", "-q"],
        ["add", "text.txt"],
        ["commit", "-q", "-m", "x"],
        ["pack-refs", "--all"],
        ["worktree", "add", "-q", "tree"],
    ):
        subprocess.run([*git, *arguments], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    for folder in (Path.cwd(), Path("tree").absolute()):
        found = find_repository(folder)
        assert found is not None
        assert (found.top, found.commit) == (folder, head.stdout.strip())


def test_looking_at_runs_makes_nothing_in_their_folders(seqlab_command, runs):
    change(runs, status="running")
    before = sorted(Path("runs").rglob("*"))
    assert "killed" in seqlab_command("runs").out
    assert sorted(Path("runs").rglob("*")) == before
