"""`seqlab runs`: the table, and what may be done to runs without training."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

import seqlab
from seqlab.runs.lock import locked

OLD, NEW = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"


@pytest.fixture
def two(make_run):
    """Two runs of one name."""
    make_run(f"runs/jay/{OLD}", {"cell.name": "gru"}, losses=[2.0, 1.0, 1.5])
    make_run(f"runs/jay/{NEW}", losses=[3.0], doubt="It is worse than guessing.")


@pytest.fixture
def on_a_terminal(seqlab_command, monkeypatch):
    """Run a command as on a terminal of some width, without colours."""

    def on_a_terminal(width, *arguments):
        for name, value in {"FORCE_COLOR": "1", "COLUMNS": str(width), "TERM": "xterm"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_COLOR", "1")
        result = seqlab_command(*arguments)
        out = re.sub(r"\x1b\[\d*m", "", result.out)
        return result, [line.rstrip() for line in out.splitlines()]

    return on_a_terminal


def table(result):
    head, *lines = (line.split("\t") for line in result.out.splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


def ids(result):
    assert result.code == 0, result.err
    return [row["id"] for row in table(result)]


def test_the_table_says_what_differs_and_what_is_best(two, seqlab_command):
    first, second = table(seqlab_command("runs"))
    assert (first["differs"], second["differs"]) == ("cell=gru", "cell=rnn")
    assert float(first["best"]) == pytest.approx(2.718282)
    assert (first["split"], first["metric"]) == ("train", "perplexity")
    assert second["doubt"] == "It is worse than guessing."


def test_json_has_the_same_and_more(two, seqlab_command):
    first, second = json.loads(seqlab_command("runs", "--json").out)
    assert first["differs"] == {"cell.name": "gru"}
    assert (first["doubt"], second["doubt"]) == (None, "It is worse than guessing.")
    assert first["folder"] == f"runs/jay/{OLD}"
    assert first["age"] > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--where", "cell=gru"], ["aaaaaa"]),
        (["--where", "best<5", "--where", "status=finished"], ["aaaaaa"]),
        (["--where", "cell!=lstm", "--sort", "-best"], ["bbbbbb", "aaaaaa"]),
        (["--sort", "cell"], ["aaaaaa", "bbbbbb"]),
        (["--sort", "-cell"], ["bbbbbb", "aaaaaa"]),
        (["jay"], ["bbbbbb"]),
        (["j*", "--sort", "id"], ["aaaaaa", "bbbbbb"]),
        (["list", "aaa"], ["aaaaaa"]),
    ],
)
def test_runs_are_selected_and_sorted(two, seqlab_command, arguments, expected):
    assert ids(seqlab_command("runs", *arguments)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "cel=gru"], "no run has the key 'cel'; did you mean 'cell'?"),
        (["--where", "cell"], "condition 'cell': should be KEY=VALUE"),
        (["--sort", "celll"], "no run has the key 'celll'; did you mean 'cell'?"),
        (["joy"], "did you mean 'jay'?"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(two, seqlab_command, arguments, message):
    result = seqlab_command("runs", *arguments)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert message in result.err


def test_no_run_that_is_meant_is_said(two, seqlab_command):
    result = seqlab_command("runs", "--where", "cell=lstm")
    assert (result.code, result.out, result.err) == (0, "", "No run is cell=lstm\n")
    assert seqlab_command("runs", "--where", "cell=lstm", "--json").out == "[]\n"


def test_without_runs_nothing_is_wrong(seqlab_command):
    result = seqlab_command("runs", "--sort", "best", "--where", "cell=gru")
    assert (result.code, result.out, result.err) == (0, "", "There are no runs under runs/\n")


def test_a_terminal_shows_age_and_doubt(two, on_a_terminal):
    _, lines = on_a_terminal(120, "runs")
    assert lines[0].split() == ["run", "id", "differs", "status", "age", "step", "best", "of"]
    assert " ago" in lines[2]
    assert "finished ?" in lines[3]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_table_fits_and_breaks_no_number(make_run, on_a_terminal, width):
    make_run(f"runs/周杰伦的歌/{OLD}", {"cell.name": "gru"}, losses=[2.0])
    make_run("runs/周杰伦的歌/我的第一个实验", losses=[1.0])
    result, lines = on_a_terminal(width, "runs")
    assert max(map(cell_len, lines)) <= width
    assert len([line for line in lines if "周杰伦" in line]) == 2
    assert any(line.endswith("7.38906") or " 7.38906 " in line for line in lines)
    assert any("2.71828" in line for line in lines)
    assert ("too narrow for" in result.err) is (width < 160)


# -- tag, note


def test_tags_and_notes_are_shown_and_find_runs(two, seqlab_command):
    assert seqlab_command("runs", "tag", "j*", "good").code == 0
    assert seqlab_command("runs", "tag", "aaaaaa", "best.one").code == 0
    assert seqlab_command("runs", "note", "best.one", "As in the paper.").code == 0
    first, second = table(seqlab_command("runs"))
    assert (first["tags"], second["tags"]) == ("good, best.one", "good")
    assert first["note"] == "As in the paper."
    assert ids(seqlab_command("runs", "good")) == ["aaaaaa", "bbbbbb"]
    seqlab_command("runs", "tag", "--remove", "latest", "good")
    assert ids(seqlab_command("runs", "--where", "tag=good")) == ["aaaaaa"]
    row, _ = json.loads(seqlab_command("compare", "j*", "--json").out)
    assert (row["name"], row["tags"]) == ("good", ["good", "best.one"])
    assert row["note"] == "As in the paper."


def test_a_tag_that_cannot_be_one_is_refused(two, seqlab_command):
    result = seqlab_command("runs", "tag", "latest", "abcdef")
    assert result.code == 2
    assert "looks like the id of a run" in result.err


def test_a_damaged_note_hides_no_run_and_loses_none(two, seqlab_command):
    Path("runs/jay", OLD, "notes.json").write_text("{")
    result = seqlab_command("runs")
    assert [row["status"] for row in table(result)] == ["damaged", "finished"]
    assert f"runs/jay/{OLD}/notes.json: is damaged" in result.err
    assert seqlab_command("runs", "tag", "aaaaaa", "x").code == 4


# -- rm


def test_a_run_is_removed_and_others_stay(two, seqlab_command):
    result = seqlab_command("runs", "rm", "aaaaaa", "--yes")
    assert (result.code, result.err) == (0, f"seqlab: Removed runs/jay/{OLD}\n")
    assert [path.name for path in Path("runs/jay").iterdir()] == [NEW]
    seqlab_command("runs", "rm", "jay", "--yes")
    assert list(Path("runs").iterdir()) == []


def test_a_folder_that_a_person_made_stays_when_its_runs_go(make_run, seqlab_command):
    make_run("mine/here", name="jay")
    assert seqlab_command("runs", "rm", "mine/here", "--yes").code == 0
    assert list(Path("mine").iterdir()) == []


def test_everything_that_a_run_with_a_plugin_and_observers_writes_is_removed(
    full, drop, seqlab_command
):
    drop("""
        import seqlab
        @seqlab.hookimpl
        def seqlab_register_decoders():
            return {"mine": Mine}
        class Mine:
            def choose(self, logits, history, uniform):
                return logits.argmax(-1)
    """)
    seqlab.run(full | {"decoder": "mine", "observers": ["csv"]}, run_dir="here")
    seqlab_command("runs", "tag", "here", "x")
    assert Path("here/plugins/dropped.py").exists()
    assert seqlab_command("runs", "rm", "here", "--yes").code == 0
    assert not Path("here").exists()


def test_without_a_terminal_and_yes_nothing_is_removed(two, seqlab_command):
    result = seqlab_command("runs", "rm", "aaaaaa")
    assert result.code == 2
    assert "say --yes" in result.err
    assert Path("runs/jay", OLD).exists()


@pytest.mark.parametrize(("answer", "left"), [("n", 2), ("", 2), ("y", 1)])
def test_on_a_terminal_it_asks(two, seqlab_command, monkeypatch, answer, left):
    monkeypatch.setattr("seqlab.cli.runs_changes.is_terminal", lambda stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    result = seqlab_command("runs", "rm", "aaaaaa")
    assert result.code == 0
    assert f"MB): runs/jay/{OLD}? [y/N]" in result.err
    assert len(list(Path("runs/jay").iterdir())) == left


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "place", ["mine.txt", "checkpoints/mine.txt", "checkpoints/step-00000001/mine", "plugins/x.py"]
)
def test_what_seqlab_did_not_write_stops_the_removal_of_all(two, seqlab_command, place):
    foreign = Path("runs/jay", OLD, place)
    foreign.parent.mkdir(parents=True, exist_ok=True)
    foreign.write_text("mine")
    before = everything(Path("runs"))
    result = seqlab_command("runs", "rm", "j*", "--yes")
    assert result.code == 2
    assert f"holds '{foreign.name}', which seqlab did not put there" in result.err
    assert everything(Path("runs")) == before


def test_no_link_is_followed(two, seqlab_command):
    run = Path("runs/jay", OLD)
    Path("precious").mkdir()
    Path("precious/model.safetensors").write_text("precious")
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").symlink_to(Path("precious").absolute())
    assert seqlab_command("runs", "rm", "aaaaaa", "--yes").code == 2
    Path("link").symlink_to(Path("runs/jay", NEW).absolute())
    assert seqlab_command("runs", "rm", "link", "--yes").code == 2
    assert Path("precious/model.safetensors").exists()
    assert Path("runs/jay", NEW, "run.json").exists()


def test_a_run_in_use_is_not_removed(two, seqlab_command):
    run = Path("runs/jay", OLD)
    with locked(run):
        result = seqlab_command("runs", "rm", "aaaaaa", "--yes")
    assert result.code == 2
    assert "is in use" in result.err
    assert (run / "run.json").exists()


def test_a_damaged_run_is_nobodys_to_remove(two, seqlab_command):
    Path("runs/jay", OLD, "run.json").write_text("{")
    assert seqlab_command("runs", "rm", f"runs/jay/{OLD}", "--yes").code == 4
    assert Path("runs/jay", OLD, "metrics.jsonl").exists()


def test_who_starts_from_a_run_is_told(two, make_run, seqlab_command):
    begun = {"step": 1, "tokens": 1, "taken": [], "fresh": {}, "unused": []}
    make_run("runs/next/one", init_from=begun | {"run": f"runs/jay/{OLD}", "id": None})
    make_run("runs/next/two", {"cell.teacher": os.path.abspath(f"runs/jay/{OLD}")})  # noqa: PTH100
    result = seqlab_command("runs", "rm", "aaaaaa", "--yes")
    assert "other runs start from it or use it: runs/next/one, runs/next/two" in result.err


def test_a_name_that_is_a_command_is_listed_by_list(make_run, seqlab_command):
    make_run("runs/rm/one")
    assert ids(seqlab_command("runs", "list", "rm")) == ["one"]
    assert ids(seqlab_command("runs", "runs/rm")) == ["one"]
