"""What is told while runs are written, cut back, removed and damaged."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from seqlab.runs.lock import locked
from seqlab.web.lines import Lines
from seqlab.web.run_index import RunIndex


def row(step: int, **values) -> str:
    known = {"step": step, "epoch": 1, "split": "train", "loss": 1.0, "perplexity": 2.7}
    known |= dict.fromkeys(("bits_per_character", "bits_per_byte", "accuracy"), 0.5)
    known |= {"tokens": 10, "lr": 0.1, "gradient_norm": 1.0, "seconds": 0.1}
    return json.dumps(known | {"tokens_per_second": 100.0} | values) + "\n"


def follow(events, run: str, seconds: float = 5.0):
    """Yield the steps that a curve has after each event, as the page keeps them."""
    steps: list[int] = []
    until = time.monotonic() + seconds
    for name, told in events:
        if name == "rows" and told["run"] == run:
            new = told["splits"].get("train", {}).get("step", [])
            steps = new if told["anew"] else steps + new
            yield steps
        assert time.monotonic() < until


@pytest.fixture
def running(make_run) -> Path:
    """A run that goes on: its lock is held by the test."""
    run = make_run("runs/tiny/here", status="running", total_steps=100).absolute()
    (run / "metrics.jsonl").write_text("".join(map(row, (1, 2, 3))), "utf-8")
    return run


def append(run: Path, text: str) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write(text)


def test_a_row_is_told_within_a_second(serve, running):
    site = serve()
    run = site.id_of(running)
    with site.events(f"runs={run}") as events:
        steps = follow(events, run)
        assert next(steps) == [1, 2, 3]
        written = time.monotonic()
        append(running, row(4))
        assert next(steps) == [1, 2, 3, 4]
        assert time.monotonic() - written < 1


def test_half_a_row_is_told_once_it_is_whole(serve, running):
    site = serve()
    run = site.id_of(running)
    with site.events(f"runs={run}") as events:
        steps = follow(events, run)
        next(steps)
        append(running, row(4) + row(5)[:20])
        assert next(steps) == [1, 2, 3, 4]
        append(running, row(5)[20:])
        assert next(steps) == [1, 2, 3, 4, 5]


def test_a_run_that_is_killed_and_resumed_leaves_no_doubled_point(serve, running):
    site = serve()
    run = site.id_of(running)
    with site.events(f"runs={run}") as events:
        steps = follow(events, run)
        next(steps)
        (running / "metrics.jsonl").write_text(row(1), "utf-8")  # as a resume cuts it back
        assert next(steps) == [1]
        append(running, row(2, loss=1.1) + row(3, loss=1.2))
        assert next(steps) == [1, 2, 3]


def test_rows_that_took_the_place_of_others_between_two_looks_are_told_anew(serve, running):
    """The file is as long as before, or longer: only its bytes say so."""
    site = serve()
    run = site.id_of(running)
    with site.events(f"runs={run}") as events:
        steps = follow(events, run)
        next(steps)
        with (running / "metrics.jsonl").open("r+") as file:
            file.truncate(len(row(1)))
            file.seek(0, os.SEEK_END)
            file.write(row(2, loss=1.5) + row(3) + row(4))
        assert next(steps) == [1, 2, 3, 4]


def test_the_table_tells_only_what_changed(serve, make_run, running):
    make_run("runs/other/here")
    with serve().events() as events:
        _, table = next(events)
        assert {row["name"] for row in table["rows"]} == {"tiny", "other"}
        append(running, row(40))
        _, table = next(events)
        assert [(row["name"], row["step"]) for row in table["rows"]] == [("tiny", 40)]
        shutil.rmtree("runs/other")
        _, table = next(events)
        assert (table["rows"], len(table["gone"])) == ([], 1)


def test_who_comes_back_is_told_what_changed_meanwhile(serve, make_run, running):
    make_run("runs/other/here")
    site = serve()
    with site.events() as events:
        version = next(events)[1]["version"]
    append(running, row(50))
    with site.events(f"since={version}") as events:
        _, table = next(events)
    assert [row["name"] for row in table["rows"]] == ["tiny"]
    with site.events("since=of-another-server.7") as events:
        assert len(next(events)[1]["rows"]) == 2


def test_a_new_run_appears_and_says_what_differs(serve, make_run):
    make_run("runs/tiny/first", {"optimizer.lr": 0.1})
    with serve().events() as events:
        next(events)
        make_run("runs/tiny/second", {"optimizer.lr": 0.2})
        rows = {row["folder"]: row for row in next(events)[1]["rows"]}
    assert rows["second"]["differs"] == "lr=0.2"
    assert rows["first"]["differs"] == "lr=0.1"


def test_a_run_that_nobody_trains_any_more_is_killed(running):
    index = RunIndex(Path("runs"))
    with locked(running):
        index.refresh()
        assert index.rows()[0]["status"] == "running"
    other = RunIndex(Path("runs"))
    other.refresh()
    assert other.rows()[0]["status"] == "killed"


def test_a_damaged_run_hides_no_other(serve, make_run):
    make_run("runs/tiny/whole")
    (make_run("runs/tiny/damaged") / "run.json").write_text("{", "utf-8")
    with serve().events() as events:
        rows = {row["folder"]: row for row in next(events)[1]["rows"]}
    assert rows["whole"]["status"] == "finished"
    assert rows["damaged"]["status"] == "damaged"
    assert "not JSON" in rows["damaged"]["problem"]


def test_a_damaged_row_is_named_and_the_others_are_drawn(serve, running):
    append(running, "{}\n" + row(4))
    site = serve()
    run = site.id_of(running)
    with site.events(f"runs={run}") as events:
        told = dict(next(events) for _ in range(4))
    assert told["rows"]["splits"]["train"]["step"] == [1, 2, 3, 4]
    assert "'step' is missing" in told["log"]["lines"][-1]


def test_the_best_of_an_ended_run_comes_from_run_json(make_run):
    run = make_run("runs/tiny/here", losses=[3.0, 1.0, 2.0])
    numbers = {"step": 2, "epoch": 1, "loss": 0.5, "perplexity": 1.6, "tokens_per_second": 9.0}
    description = json.loads((run / "run.json").read_text("utf-8"))
    reached = {"train": {"best": numbers, "last": numbers | {"perplexity": 1.7}}}
    (run / "run.json").write_text(json.dumps(description | {"reached": reached}), "utf-8")
    index = RunIndex(Path("runs"))
    index.refresh()
    (shown,) = index.rows()
    assert (shown["best"], shown["last"], shown["speed"]) == (1.6, 1.7, 9.0)


def test_an_ended_run_of_before_run_json_said_so_has_numbers_too(make_run):
    make_run("runs/tiny/here", losses=[3.0, 1.0, 2.0])
    index = RunIndex(Path("runs"))
    index.refresh()
    assert index.rows()[0]["best"] == pytest.approx(2.718, abs=0.001)


def test_of_a_long_file_the_end_is_read_and_begins_with_a_whole_line():
    path = Path("long.txt")
    path.write_text("".join(f"line {i}\n" for i in range(1000)), "utf-8")
    lines = Lines(path, 100)
    first = lines.read()
    assert first.anew
    assert first.lines[-1] == b"line 999"
    assert all(line.startswith(b"line ") for line in first.lines)
    assert lines.read() == ([], False)


def test_a_file_that_is_removed_is_told_anew():
    path = Path("rows.txt")
    path.write_text("one\n", "utf-8")
    lines = Lines(path, 100)
    lines.read()
    path.unlink()
    assert lines.read() == ([], True)
    assert lines.read() == ([], False)
    path.write_text("two\n", "utf-8")
    assert lines.read().lines == [b"two"]
