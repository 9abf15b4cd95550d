"""Runs side by side."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

import pytest

import seqlab
from seqlab.runs.comparison import compare, distinct, warnings


@pytest.fixture
def trained(full, registry):
    """Train with some keys changed."""

    def trained(*overrides):
        return seqlab.run(full, overrides=overrides, registry=registry)

    return trained


def test_only_the_keys_that_differ_are_shown(trained):
    first, second = compare([trained(), trained("cell.hidden_size=9")])
    keys = [key for key in first if "." in key and " " not in key]
    assert keys == ["cell.hidden_size"]
    assert (first["cell.hidden_size"], second["cell.hidden_size"]) == (8, 9)


def test_a_key_that_only_one_run_has_is_shown_empty_for_the_other(trained):
    first, second = compare(
        [trained(), trained("cell=rnn", "optimizer={name: sgd, momentum: 0.5}")]
    )
    assert (first["optimizer.momentum"], second["optimizer.momentum"]) == (None, 0.5)
    assert (first["cell.name"], second["cell.name"]) == ("gru", "rnn")


def test_runs_that_differ_in_the_seed_alone_are_one_group(trained):
    runs = [trained(f"train.seed={seed}") for seed in (0, 1, 2)]
    (row,) = compare(runs)
    last = [[r for r in run.metrics if r["split"] == "valid"][-1]["perplexity"] for run in runs]
    assert row["n"] == 3
    assert row["valid perplexity, last"] == pytest.approx(statistics.median(last), abs=1e-6)
    expected = {"min": min(last), "max": max(last)}
    expected |= {"mean": statistics.fmean(last), "sd": statistics.stdev(last)}
    for word, value in expected.items():
        assert row[f"valid perplexity, last: {word}"] == pytest.approx(value, abs=1e-6)


def test_seeds_are_grouped_beside_other_runs_and_never_shown_as_a_key(trained):
    rows = compare([trained(), trained("train.seed=1"), trained("cell=rnn")])
    assert [row["n"] for row in rows] == [2, 1]
    assert all(isinstance(row["valid perplexity, best"], float) for row in rows)
    assert all("train.seed" not in row for row in rows)


def test_best_and_last_are_told_apart(trained):
    run = trained("optimizer={name: sgd, lr: 12.0}")
    (row,) = compare([run])
    losses = [r["perplexity"] for r in run.metrics if r["split"] == "valid"]
    assert row["valid perplexity, best"] == pytest.approx(min(losses), abs=1e-6)
    assert row["valid perplexity, last"] == pytest.approx(losses[-1], abs=1e-6)
    assert min(losses) < losses[-1]


def test_speed_and_wall_time_are_shown(trained):
    (row,) = compare([trained()])
    assert row["tokens/s"] > 0
    assert row["seconds"] >= 0


def test_other_corpora_are_flagged(trained, text_file):
    first = trained()
    text_file.write_text(text_file.read_text().upper())
    assert "corpora differ" in warnings([first, trained()])[0]


def test_other_vocabularies_are_flagged_with_what_does_compare(trained):
    runs = [trained(), trained("tokenizer={name: characters, unknown: token}")]
    (notices,) = warnings(runs)
    assert "compare bits per character, not perplexity" in notices
    assert all("valid bits_per_character, last" in row for row in compare(runs))


def test_nothing_is_flagged_where_all_is_alike(trained):
    assert warnings([trained(), trained("train.seed=1")]) == []


def test_the_place_of_the_corpus_alone_makes_no_other_experiment(trained, text_file):
    first = trained()
    moved = text_file.rename(Path("elsewhere.txt").absolute())
    assert warnings([first, trained(f"corpus.path={moved}")]) == []


def test_a_run_that_has_not_finished_an_epoch_is_compared_too(trained):
    rows = compare([trained(), trained("train.steps=0")])
    assert len(rows) == 2


def test_a_run_counts_once_however_often_it_is_named_copied_or_resumed(tiny, registry):
    first = seqlab.run(tiny, run_dir="one", registry=registry)
    other = seqlab.run(tiny, overrides=["train.seed=1"], run_dir="two", registry=registry)
    shutil.copytree("one", "copy")
    shutil.copytree("one", "longer")
    seqlab.resume("longer", overrides=["train.epochs=2"], registry=registry)
    Path("link").symlink_to("one")
    again = [seqlab.open_run(path, registry=registry) for path in ("copy", "longer", "link")]
    kept, notices = distinct([first, other, *again])
    assert [run.path for run in kept] == [Path("one"), Path("two")]
    assert [line.partition(":")[0] for line in notices] == ["copy", "longer", "link"]
