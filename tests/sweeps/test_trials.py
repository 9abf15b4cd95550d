"""Trials are run folders; the study follows from them."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import UsageError
from seqlab.sweeps.searching import _OnlyCmaes


def status(run: str) -> str:
    return json.loads(Path(run, "run.json").read_text("utf-8"))["status"]


def test_every_trial_is_a_run_that_its_resolved_experiment_repeats_to_the_bit(
    write, run, registry, facts
):
    space = {"cell": ["rnn", "gru"], "optimizer.lr": {"log_range": [1e-3, 1e-1]}}
    results = run(write(space, trials=3))
    assert results.counts() == {"finished": 3}
    for row in results.rows():
        trial = seqlab.open_run(row["runs"][0], registry=registry)
        again = seqlab.run(trial.path / "resolved.yaml", registry=registry, root="again")
        assert facts(again) == facts(trial)
        assert trial.config["cell"]["name"] == row["cell"]


@pytest.mark.parametrize("search", ["tpe", "random", "cmaes"])
def test_the_same_sweep_tries_the_same_points_in_one_process(write, run, search):
    space = {"optimizer.lr": {"log_range": [1e-3, 1e-1]}, "cell.hidden_size": {"integers": [4, 9]}}
    first = run(write(space, trials=5, search=search))
    other = run(write(space, trials=5, search=search, name="other"))
    points = [{t.number: dict(t.point) for t in results.trials} for results in (first, other)]
    assert points[0] == points[1]
    assert len({point["optimizer.lr"] for point in points[0].values()}) == 5


def test_a_grid_tries_each_point_once(write, run):
    results = run(write({"cell": ["rnn", "gru"], "cell.hidden_size": [4, 8]}, search="grid"))
    tried = {(row["cell"], row["cell.hidden_size"]) for row in results.rows()}
    assert tried == {("rnn", 4), ("rnn", 8), ("gru", 4), ("gru", 8)}


def test_a_trial_of_several_seeds_is_worth_their_median(write, run):
    results = run(write(trials=2, seeds=3))
    for trial in results.trials:
        losses = [json.loads((r.path / "run.json").read_text())["best"]["loss"] for r in trial.runs]
        assert len(set(losses)) == 3
        assert trial.value == statistics.median(losses)


def test_a_failed_trial_is_recorded_and_the_sweep_goes_on(write, run):
    results = run(write({"optimizer.lr": [1e38, 0.01]}, search="grid"))
    assert results.counts() == {"finished": 1, "failed": 1}
    failed = next(row for row in results.rows() if row["status"] == "failed")
    assert "finite" in failed["reason"]
    assert run(write({"optimizer.lr": [1e38, 0.01]}, search="grid")).counts() == results.counts()


def test_a_trial_that_fails_before_it_has_a_run_keeps_its_point(write, run):
    results = run(write({"sampler.window": [2**20, 8]}, search="grid"))
    assert results.counts() == {"finished": 1, "failed": 1}
    Path("runs/it/journal.log").unlink()
    again = run(write({"sampler.window": [2**20, 8]}, search="grid"))
    assert [row | {"reason": ""} for row in again.rows()] == [
        row | {"reason": ""} for row in results.rows()
    ]


def test_a_deleted_journal_is_made_again_from_the_folders(write, run, worker):
    before = run(write(trials=4, prune="median"))
    Path("runs/it/journal.log").unlink()
    again = worker(write(trials=4, prune="median"))
    assert again.study.counts() == {"finished": 4}
    study = again.study._study
    assert study.best_trial.number == before.best.number
    assert study.best_value == before.best.value


def test_a_journal_that_is_deleted_while_a_trial_runs_loses_nothing(write, worker):
    one = worker(write(trials=3))
    began = []

    def tell(what, of_what):
        if what == "begun" and not began:
            began.append(of_what)
            Path("runs/it/journal.log").unlink()

    while one.takes_one(tell):
        pass
    assert one.study.counts() == {"finished": 3}


def test_a_line_that_a_killed_process_left_half_written_is_cut_off(write, worker):
    one = worker(write(trials=2))
    one.takes_one(lambda what, of_what: None)
    with Path("runs/it/journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "half')
    other = worker(write(trials=2))
    while other.takes_one(lambda what, of_what: None):
        pass
    assert other.study.counts() == {"finished": 2}


def test_a_killed_trial_is_resumed_with_its_point_and_to_the_bit(write, worker, registry, facts):
    """As a kill leaves it: taken, with checkpoints, and nobody holds its lock."""
    one = worker(write(trials=1))
    with one.study.taking() as taken:
        point = taken.point
        folder = one.folder.run_of(0, 0, 1)
        whole = seqlab.run(one.job.sweep.experiment_at(point), registry=registry, root="whole")
        shutil.copytree(whole.path, folder.path)
    description = json.loads((folder.path / "run.json").read_text("utf-8"))
    (folder.path / "run.json").write_text(json.dumps(description | {"status": "running"}))
    steps = sorted((folder.path / "checkpoints").iterdir())
    shutil.rmtree(steps[-1])
    other = worker(write(trials=1))
    other.takes_one(lambda what, of_what: None)
    assert facts(seqlab.open_run(folder.path, registry=registry)) == facts(whole)
    assert "resumed" in seqlab.open_run(folder.path).description
    assert other.study.counts() == {"finished": 1}


def test_a_trial_that_was_taken_but_has_no_folder_runs_with_its_point(write, worker):
    one = worker(write(trials=1))
    with one.study.taking() as taken:
        point = dict(taken.point)
    other = worker(write(trials=1))
    other.takes_one(lambda what, of_what: None)
    record = json.loads(Path("runs/it/trial-0000/trial.json").read_text("utf-8"))
    assert record["point"] == point


def test_nobody_takes_a_trial_that_a_process_has(write, worker):
    file = write(trials=2)
    one, other, third = worker(file), worker(file), worker(file)
    with one.study.taking() as mine, other.study.taking() as theirs, third.study.taking() as none:
        assert {mine.number, theirs.number} == {0, 1}
        assert none is None


def test_a_trial_that_is_always_killed_at_the_same_place_is_given_up(write, worker):
    file = write(trials=1)
    for _ in range(6):
        one = worker(file)
        with one.study.taking() as taken:
            assert taken.number == 0
            problem = one._stuck(taken, one.folder.run_of(0, 0, 1))
    assert "killed 5 times" in problem


def test_more_trials_are_added_to_a_sweep_that_has_ended(write, run):
    assert run(write(trials=2)).counts() == {"finished": 2}
    assert run(write(trials=3)).counts() == {"finished": 3}


def test_a_folder_keeps_its_sweep(write, run, worker):
    run(write(trials=1))
    with pytest.raises(UsageError, match="holds a sweep with another experiment"):
        worker(write({"optimizer.lr": [0.1]}, trials=1))


# -- pruning


def test_a_pruned_run_is_the_beginning_of_the_whole_one(write, run, registry):
    """Its checkpoint is kept, and it can be resumed to the end."""
    space = {"optimizer.lr": [0.02, 0.021, 0.022, 0.023, 0.024, 1e-7, 2e-7, 3e-7]}
    train = {"epochs": 3}
    results = run(write(space, search="grid", seed=3, prune="median", train=train))
    pruned = [row for row in results.rows() if row["status"] == "pruned"]
    assert pruned
    folder = Path(pruned[0]["runs"][0])
    one = seqlab.open_run(folder, registry=registry)
    assert status(folder) == "pruned"
    assert (
        "others" in one.description["ended_because"] or "other" in one.description["ended_because"]
    )
    whole = seqlab.run(folder / "resolved.yaml", registry=registry, root="whole")

    def rows(run):
        clock = {"seconds", "tokens_per_second"}
        return [{k: v for k, v in row.items() if k not in clock} for row in run.metrics]

    assert rows(one) == rows(whole)[: len(rows(one))]
    assert len(rows(one)) < len(rows(whole))
    seqlab.resume(folder, registry=registry)
    assert rows(seqlab.open_run(folder)) == rows(whole)


def test_the_search_cmaes_loads_nothing_from_a_study_but_its_own_state():
    import io
    import pickle

    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system|nt\.system|os\.system"):
        _OnlyCmaes(io.BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()
