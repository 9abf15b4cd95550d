"""MLflow has the rows of a run, each once, however often it was killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

import seqlab

pytest.importorskip("mlflow", reason="the extra 'trackers' is not installed")
pytest.importorskip("alembic", reason="the extra 'trackers' is not installed")

from tracked_runs import KILLS, PLUGINS, finite, row, tell

from seqlab.records import CheckpointSaved, RunEnded

PACKAGE = "seqlab_mlflow"
pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its database


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A database of MLflow without runs, to be copied: to make one takes a second."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store, monkeypatch):
    """A store in the working folder, as MLFLOW_TRACKING_URI names it."""
    Path("mlflow.db").write_bytes(empty_store.read_bytes())
    uri = f"sqlite:///{Path('mlflow.db').absolute()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture
def client(store):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=store)


def runs(client):
    """The runs of MLflow that none has taken the place of."""
    names = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(names)
    return [run for run in found if "seqlab.superseded_by" not in run.data.tags]


def values(client, run):
    """Every value that MLflow has, in the form of `finite`; two at one place are refused."""
    rows = {}
    for name in run.data.metrics:
        for value in client.get_metric_history(run.info.run_id, name):
            row = rows.setdefault((name.partition("/")[0], value.step), {})
            assert name not in row, f"{name} twice at step {value.step}"
            row[name] = value.value
    return rows


def test_mlflow_has_rows_settings_and_status(client, tracked, registry):
    run = seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)
    assert run.description["observer_failures"] == []
    (found,) = runs(client)
    assert values(client, found) == finite(run.metrics)
    assert found.info.status == "FINISHED"
    assert found.data.params["optimizer.lr"] == "0.01"
    assert found.data.params["cell.name"] == "gru"
    assert not Path("here", "mlflow.db").exists()


@pytest.mark.parametrize(
    ("event", "order"),
    [
        (8, ["mlflow", "kills"]),
        pytest.param(3, ["mlflow", "kills"], marks=pytest.mark.slow),
        pytest.param(8, ["kills", "mlflow"], marks=pytest.mark.slow),
        pytest.param(13, ["kills", "mlflow"], marks=pytest.mark.slow),
        pytest.param(13, ["mlflow", "kills"], marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_that_is_resumed_has_each_row_once(
    client, tracked, registry, elsewhere, drop, event, order
):
    drop(KILLS.replace("EVENT", str(event)), "kills")
    Path("killed.json").write_text(json.dumps(tracked("mlflow") | {"observers": order}))
    killed = elsewhere("-m", "seqlab", "run", "killed.json", "--run-dir", "here")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (before,) = runs(client)
    resumed = seqlab.resume("here", overrides=["observers=[mlflow]"], registry=registry)
    (after,) = runs(client)
    assert after.info.run_id == before.info.run_id
    assert values(client, after) == finite(resumed.metrics)
    assert after.info.status == "FINISHED"


def test_a_run_that_goes_back_has_a_new_run_with_its_rows(client, tracked, registry):
    seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)
    (before,) = runs(client)
    resumed = seqlab.resume("here", checkpoint=10, registry=registry)
    (after,) = runs(client)
    assert after.info.run_id != before.info.run_id
    assert values(client, after) == finite(resumed.metrics)
    old = client.get_run(before.info.run_id)
    assert old.data.tags["seqlab.superseded_by"] == after.info.run_id


def test_a_setting_that_a_resumed_run_changed_is_a_tag(client, tracked, registry):
    train, evaluation = {"epochs": 1, "checkpoint": {"every": 5}}, {"every": 7}
    experiment = tracked("mlflow", train=train, evaluation=evaluation)
    seqlab.run(experiment, run_dir="here", registry=registry)
    seqlab.resume("here", overrides=["train.epochs=2"], registry=registry)
    (run,) = runs(client)
    assert run.data.params["train.epochs"] == "1"
    assert run.data.tags["changed.train.epochs"] == "2"


def test_a_run_that_fails_has_the_rows_of_its_last_checkpoint(client, registry):
    observer = registry.find("observer", "mlflow").factory()
    tell(observer, [row(1), CheckpointSaved(1, "x"), row(2), RunEnded("failed", 2, "here", 0.0)])
    (run,) = runs(client)
    assert [step for _, step in values(client, run)] == [1]
    assert run.info.status == "FAILED"


def test_what_cannot_be_reached_is_one_warning_and_the_run_goes_on(
    tracked, registry, monkeypatch, caplog
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    run = seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)
    assert run.description["status"] == "finished"
    assert caplog.text.count("MLflow cannot be reached") == 1
    assert len(run.metrics) > 3


def test_rows_arrive_once_the_store_answers(client, tracked, registry, monkeypatch):
    from seqlab_mlflow import observer

    whole, tries = observer.TrackedRun, []

    def unreachable_at_first(*arguments, **options):
        tries.append(arguments)
        if len(tries) < 3:
            raise ConnectionError("nobody answers")
        return whole(*arguments, **options)

    monkeypatch.setattr(observer, "TrackedRun", unreachable_at_first)
    run = seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)
    (found,) = runs(client)
    assert values(client, found) == finite(run.metrics)


def test_a_store_that_fails_halfway_has_each_row_once(client, tracked, registry, monkeypatch):
    from seqlab_mlflow.tracked_run import TrackedRun

    send, tries = TrackedRun._log, []

    def fails_after_sending(self, batch):
        send(self, batch)
        tries.append(batch)
        if len(tries) == 2:
            raise ConnectionError("the answer is lost")

    monkeypatch.setattr(TrackedRun, "_log", fails_after_sending)
    run = seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)
    (found,) = runs(client)
    assert values(client, found) == finite(run.metrics)


def test_without_an_address_the_store_lies_in_the_folder_of_the_run(tracked, registry, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = {path.name for path in Path().iterdir()}
    seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)
    assert Path("here", "mlflow.db").is_file()
    assert {path.name for path in Path().iterdir()} == before | {"here"}


def test_a_password_in_an_experiment_is_refused_before_training(tracked, registry):
    observer = {"name": "mlflow", "tracking_uri": "https://me:secret@example.org"}
    with pytest.raises(seqlab.SeqlabError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        seqlab.run(tracked(observer), run_dir="here", registry=registry)
    assert "secret" not in str(caught.value)
    assert not Path("here").exists()


def test_without_its_package_mlflow_says_how_to_get_it(tracked, registry, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(seqlab.SeqlabError, match="pip install mlflow-skinny"):
        seqlab.run(tracked("mlflow"), run_dir="here", registry=registry)


@pytest.mark.slow  # sixteen promises, some of them in processes of their own
def test_the_package_passes_its_own_tests(elsewhere):
    folder = PLUGINS / PACKAGE
    done = elsewhere("-m", "pytest", "-q", "-c", folder / "pyproject.toml", folder / "tests")
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
