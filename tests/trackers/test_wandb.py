"""Weights & Biases has the rows of a run, each once, however often it was killed and resumed."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

import seqlab
from seqlab.records import CheckpointSaved, RunEnded

pytest.importorskip("wandb", reason="the extra 'trackers' is not installed")

from tracked_runs import KILLS, PLUGINS, finite, row, tell

PACKAGE = "seqlab_wandb"
BLOCK, HEADER = 32_768, 7  # bytes, of the file of an offline run
WHOLE, LAST = 1, 4  # kinds of pieces


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def records(data):
    """The records of the file of an offline run: pieces in blocks, as in a log of LevelDB."""
    from wandb.proto import wandb_internal_pb2

    place, record = HEADER, b""
    while place + HEADER <= len(data):
        if (left := BLOCK - place % BLOCK) < HEADER:
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + HEADER : place + HEADER + size]
        place += HEADER + size
        if kind in {WHOLE, LAST}:
            yield wandb_internal_pb2.Record.FromString(record)
            record = b""


def offline_records(folder="here"):
    """What `wandb sync` would send."""
    for path in sorted(Path(folder, "wandb").glob("offline-run-*/run-*.wandb")):
        yield from records(path.read_bytes())


def values(folder="here"):
    """Every value that W&B has, in the form of `finite`; two rows at one place are refused."""
    rows = {}
    for record in offline_records(folder):
        if record.WhichOneof("record_type") == "history":
            found = {item.key: json.loads(item.value_json) for item in record.history.item}
            found |= {
                "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
                if item.nested_key
            }
            numbers = {name: value for name, value in found.items() if "/" in name}
            place = next(iter(numbers)).partition("/")[0], found["step"]
            assert place not in rows, f"{place} twice"
            rows[place] = numbers
    return rows


def test_wandb_has_rows_settings_and_status(tracked, registry):
    run = seqlab.run(tracked("wandb"), run_dir="here", registry=registry)
    assert run.description["observer_failures"] == []
    assert values() == finite(run.metrics)
    found = list(offline_records())
    (begun,) = (record.run for record in found if record.HasField("run"))
    assert begun.run_id == run.description["id"]
    config = {u.key: u.value_json for r in found for u in (*r.run.config.update, *r.config.update)}
    assert (config["optimizer.lr"], config["cell.name"]) == ("0.01", '"gru"')
    assert [record.exit.exit_code for record in found if record.HasField("exit")] == [0]
    summary = {u.key: u.value_json for r in found for u in r.summary.update}
    assert summary["status"] == '"finished"'


@pytest.mark.parametrize(
    ("event", "order"),
    [
        (8, ["wandb", "kills"]),
        pytest.param(3, ["wandb", "kills"], marks=pytest.mark.slow),
        pytest.param(8, ["kills", "wandb"], marks=pytest.mark.slow),
        pytest.param(13, ["kills", "wandb"], marks=pytest.mark.slow),
        pytest.param(13, ["wandb", "kills"], marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_that_is_resumed_has_each_row_once(
    tracked, registry, elsewhere, drop, event, order
):
    drop(KILLS.replace("EVENT", str(event)), "kills")
    Path("killed.json").write_text(json.dumps(tracked("wandb") | {"observers": order}))
    killed = elsewhere("-m", "seqlab", "run", "killed.json", "--run-dir", "here")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = seqlab.resume("here", overrides=["observers=[wandb]"], registry=registry)
    assert values() == finite(resumed.metrics)


def test_a_run_that_goes_back_has_the_rows_that_it_has_now(tracked, registry):
    seqlab.run(tracked("wandb"), run_dir="here", registry=registry)
    resumed = seqlab.resume("here", checkpoint=10, registry=registry)
    assert values() == finite(resumed.metrics)
    assert len(list(Path("here", "wandb").glob("replaced-offline-run-*"))) == 1


def test_a_run_that_fails_has_the_rows_of_its_last_checkpoint(registry):
    observer = registry.find("observer", "wandb").factory()
    tell(observer, [row(1), CheckpointSaved(1, "x"), row(2), RunEnded("failed", 2, "here", 0.0)])
    assert list(values()) == [("train", 1)]


class Server:
    """A stand-in for W&B online: it keeps the rows of each run, and counts them."""

    def __init__(self):
        self.rows, self.ids = {}, []

    def init(self, *, id, **options):  # noqa: A002 # as wandb calls it
        self.ids.append(id)
        return Opened(self.rows.setdefault(id, []))


class Opened:
    def __init__(self, rows):
        self._rows, self.step, self.summary, self.config = rows, len(rows), {}, self

    define_metric = finish = update = lambda self, *arguments, **options: None

    def log(self, row, *, step, commit):
        if step == len(self._rows):  # it takes no row again, and leaves no gap
            self._rows.append(row)


@pytest.fixture
def server(monkeypatch):
    import wandb

    server = Server()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "init", server.init)
    return server


def on(rows):
    """Rows in the form of `finite`."""
    places = ((next(n for n in row if "/" in n).partition("/")[0], row["step"]) for row in rows)
    numbers = ({name: value for name, value in row.items() if name != "step"} for row in rows)
    return dict(zip(places, numbers, strict=True))


def test_online_a_resumed_run_goes_on_behind_the_rows_that_are_there(server, tracked, registry):
    seqlab.run(tracked("wandb"), run_dir="here", registry=registry)
    (name,) = server.rows
    del server.rows[name][4:]  # as if the connection had been lost
    resumed = seqlab.resume("here", checkpoint=10, registry=registry)
    assert set(server.ids) == {name}
    assert on(server.rows[name]) == finite(resumed.metrics)


def test_online_a_run_that_goes_back_has_a_new_run_with_its_rows(server, tracked, registry):
    first = seqlab.run(tracked("wandb"), run_dir="here", registry=registry)
    seqlab.resume("here", checkpoint=10, registry=registry)
    resumed = seqlab.resume("here", checkpoint=5, registry=registry)
    own = first.description["id"]
    assert list(server.rows) == [own, f"{own}-2", f"{own}-3"]
    assert on(server.rows[f"{own}-3"]) == finite(resumed.metrics)


def test_what_cannot_be_reached_is_one_warning_and_rows_for_later(
    tracked, registry, monkeypatch, caplog
):
    from seqlab_wandb import tracked_run

    monkeypatch.setattr(tracked_run, "SECONDS", 1.0)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    run = seqlab.run(tracked("wandb"), run_dir="here", registry=registry)
    assert run.description["observer_failures"] == []
    assert caplog.text.count("W&B cannot be reached (") == 1
    assert values() == finite(run.metrics)


def test_without_a_key_rows_are_written_to_the_folder_of_the_run(tracked, registry, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")
    before = {path.name for path in Path().iterdir()}
    run = seqlab.run(tracked("wandb"), run_dir="here", registry=registry)
    assert values() == finite(run.metrics)
    assert {path.name for path in Path().iterdir()} == before | {"here"}


def test_without_its_package_wandb_says_how_to_get_it(tracked, registry, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(seqlab.SeqlabError, match="pip install wandb"):
        seqlab.run(tracked("wandb"), run_dir="here", registry=registry)


@pytest.mark.slow  # sixteen promises, some of them in processes of their own
def test_the_package_passes_its_own_tests(elsewhere):
    folder = PLUGINS / PACKAGE
    done = elsewhere("-m", "pytest", "-q", "-c", folder / "pyproject.toml", folder / "tests")
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
