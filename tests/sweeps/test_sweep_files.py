"""A sweep file is checked whole, with the place of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.errors import ExperimentError
from seqlab.sweeps.reading import read_sweep
from seqlab.sweeps.space import grid


@pytest.fixture
def complaints(write, registry):
    def complaints(text: str, **keys: object) -> list[str]:
        write()
        Path("it.yaml").write_text(f"extends: base.yaml\n{text}", "utf-8")
        with pytest.raises(ExperimentError) as error:
            read_sweep("it.yaml", registry)
        return list(error.value.lines)

    return complaints


def test_all_mistakes_come_at_once_each_with_its_place(complaints):
    told = complaints(
        "trialz: 3\n"
        "parallel: two\n"
        "space:\n"
        "  cell: [gru, lstmm]\n"
        "  cell.hiden: [1]\n"
        "  optimizer.lr: {log_range: [-1, 1]}\n"
        "  cell=elman: {cell.hidden_size: [8]}\n"
    )
    assert [line.partition(": ")[0] for line in told if "trialz" in line] == ["it.yaml:2:9"]
    text = "\n".join(told)
    for part in (
        "it.yaml:3:11: parallel: should be a valid integer",
        "did you mean 'trials'?",
        "it.yaml:6:15: space.cell.hiden: no 'cell' that is searched (gru, lstmm)",
        "it.yaml:7:29: space.optimizer.lr.log_range: should be above 0",
        "space.cell=elman: 'cell' has no value 'elman'",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("cell.hidden_size: [8, 0]", "it.yaml:4:25: cell.hidden_size: should be greater than 0"),
        ("cell.hidden_size: {integers: [0, 8]}", "cell.hidden_size: should be greater than 0"),
        ("cell.hidden_size: {range: [4, 8]}", "numbers without a fraction are {integers: …}"),
        ("cell: [gru, gruu]", "it.yaml:4:15: cell.name: unknown cell 'gruu'"),
        ("optimizer.lr: {range: [2, 1]}", "should begin with the smaller number; it is [2, 1]"),
        ("optimizer.lr: {rangs: [1, 2]}", "did you mean 'range'?"),
        ("optimizer.lr: 3", "should be a list of values, or numbers such as {range: [0, 1]}"),
        ("optimizer.lr: []", "should have at least one value"),
        ("train.epochs: [1, 1]", "has 1 twice"),
        ("optimizer.lr: {range: [0.1, 1], steps: 2}", "is not a key of range"),
    ],
)
def test_a_value_that_the_experiment_would_refuse_is_refused_before_anything_runs(
    complaints, space, told
):
    lines = complaints(f"trials: 2\nspace:\n  {space}\n")
    assert any(told in line for line in lines), lines
    assert not Path("runs").exists()


def test_a_misspelt_option_is_complained_of_once_whatever_its_values(complaints):
    (line,) = complaints("trials: 2\nspace:\n  cell.hidden_sze: [8, 16, 32]\n")
    assert "cell.hidden_sze" in line
    assert "did you mean 'hidden_size'?" in line


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", "trials: says how many points are tried"),
        ("search: grid", "a grid needs values that can be counted"),
        ("trials: 2\nmetric: los", "metric: no row has 'los'; did you mean 'loss'?"),
        ("trials: 2\nmetric: {split: test}", "split 'test' is never scored"),
        ("trials: 2\nstorage: postgresql://me:secret@host/x", "storage"),
        ("trials: 2\nworkers: 3", "workers: should be a power of two"),
    ],
)
def test_settings_that_do_not_go_with_the_space_are_refused(complaints, keys, told):
    lines = complaints(f"{keys}\nspace:\n  optimizer.lr: {{range: [0.1, 1]}}\n")
    assert any(told in line for line in lines), lines
    assert "secret" not in "".join(lines)


def test_an_option_is_searched_only_where_the_component_has_it(write, registry):
    space = {
        "optimizer": ["sgd", "adam"],
        "optimizer.momentum": [0.0, 0.9],
        "optimizer=adam": {"optimizer.lr": [0.1, 0.2]},
    }
    sweep = read_sweep(write(space, search="grid"), registry)
    points = list(grid(sweep.dimensions))
    assert len(points) == sweep.trials == 4
    assert all(("optimizer.momentum" in p) == (p["optimizer"] == "sgd") for p in points)
    assert all(("optimizer.lr (optimizer=adam)" in p) == (p["optimizer"] == "adam") for p in points)


def test_an_override_replaces_one_key_of_the_space_and_what_hung_on_its_values(write, registry):
    space = {
        "optimizer": ["sgd", "adam"],
        "optimizer.lr": [0.1, 0.2],
        "optimizer=adam": {"optimizer.eps": [1e-8, 1e-6]},
    }
    changes = ["space.optimizer=[sgd]", "space.optimizer.lr=[0.3]"]
    sweep = read_sweep(write(space, search="grid"), registry, changes)
    assert list(grid(sweep.dimensions)) == [{"optimizer": "sgd", "optimizer.lr": 0.3}]


def test_a_path_of_the_space_is_relative_to_the_sweeps_file(
    write, registry, text_file, monkeypatch
):
    text_file.rename("other.txt")
    file = write({"corpus.path": ["other.txt"]}, search="grid").absolute()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    sweep = read_sweep(file, registry)
    value = sweep.experiment_at(next(grid(sweep.dimensions))).tree.at(["corpus", "path"])
    assert value.origin.folder == file.parent


def test_a_change_of_the_space_is_another_sweep_and_more_trials_are_not(write, registry):
    one = read_sweep(write(trials=2), registry)
    assert read_sweep(write(trials=5), registry).identity == one.identity
    other = {"optimizer.lr": {"log_range": [1e-3, 1]}}
    assert read_sweep(write(other, trials=2), registry).identity != one.identity
