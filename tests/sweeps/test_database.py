"""A study in PostgreSQL, which several sweeps share."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from benchmarks.sweeps.postgresql import database, programs
from seqlab.errors import RunFailed, UsageError

pytestmark = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed (Debian: apt install postgresql)"
)
STORAGE = {"environment": "SWEEP_STORAGE"}


@pytest.fixture(scope="module")
def url():
    with database() as url:
        yield url


@pytest.fixture
def stored(write, url, monkeypatch):
    monkeypatch.setenv("SWEEP_STORAGE", url)
    return lambda name, **keys: write(name=name, storage=STORAGE, **keys)


def test_two_sweeps_that_start_together_share_the_trials(stored, worker):
    file = stored("shared", trials=4)
    made: list = []
    threads = [threading.Thread(target=lambda: made.append(worker(file))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = made
    assert one.study.counts() == other.study.counts() == {"waiting": 4}
    with one.study.taking() as mine, other.study.taking() as theirs:
        assert mine.number != theirs.number
    while one.takes_one(lambda *a: None) | other.takes_one(lambda *a: None):
        pass
    assert one.study.counts() == other.study.counts() == {"finished": 4}


def test_the_url_is_in_no_file_of_the_sweep(stored, run, url):
    run(stored("secret", trials=1))
    files = [path for path in Path("runs/secret").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if url.encode() in path.read_bytes()]


def test_a_study_that_the_database_lost_is_made_again(stored, run, worker):
    import optuna

    before = run(stored("lost", trials=3))
    again = worker(stored("lost", trials=3))
    name = again.study._study.study_name
    optuna.delete_study(study_name=name, storage=again.study._storage)
    once_more = worker(stored("lost", trials=3))
    assert once_more.study.counts() == {"finished": 3}
    assert once_more.study._study.best_trial.number == before.best.number


def test_a_database_that_is_away_is_one_line_without_its_url(stored, worker, monkeypatch):
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql+psycopg://me:hunter2@127.0.0.1:9/x")
    with pytest.raises(RunFailed, match=r"storage: \$SWEEP_STORAGE: cannot be used") as error:
        worker(stored("away", trials=1))
    assert "hunter2" not in str(error.value)


def test_a_variable_that_is_not_set_is_named(stored, worker, monkeypatch):
    monkeypatch.delenv("SWEEP_STORAGE")
    with pytest.raises(UsageError, match=r"\$SWEEP_STORAGE is not set"):
        worker(stored("unset", trials=1))
