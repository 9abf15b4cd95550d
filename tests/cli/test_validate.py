"""What is wrong with an experiment is told at once, by its parts too."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.experiment.yaml12 import dump_yaml

WRONG = {
    "tokenizer": {"name": "words", "min_count": 3},
    "cell": {"name": "causal_attention", "hidden_size": 30, "heads": 4},
    "schedule": {"name": "cosine", "warmup": 99},
    "train": {"steps": 20},
}


@pytest.fixture
def validated(seqlab_command, tiny):
    """Validate the tiny experiment with other sections; return the code and the lines."""

    def validated(*options, **sections):
        Path("e.yaml").write_text(dump_yaml(tiny | sections))
        done = seqlab_command("validate", "e.yaml", *options)
        return done.code, [*done.out.splitlines(), *done.err.splitlines()]

    return validated


def test_what_parts_refuse_comes_with_all_else_at_once(validated, tiny):
    corpus = {"name": "text", "path": "missing.txt", "newline": "lf"}
    code, lines = validated(corpus=corpus, **WRONG)
    assert code == 2
    for message in (
        "newline",
        "tokenizer: min_count",
        "cell: hidden_size (30)",
        "warmup is 99 steps",
    ):
        assert any(message in line for line in lines), message
    assert all(line.startswith("e.yaml:") for line in lines)


def test_a_run_says_it_all_at_once_too_and_leaves_nothing(seqlab_command, tiny):
    Path("e.yaml").write_text(dump_yaml(tiny | WRONG))
    done = seqlab_command("run", "e.yaml")
    assert done.code == 2
    assert len(done.complaints) == 3
    assert not Path("runs").exists()


def test_a_quick_look_builds_nothing(validated):
    assert validated("--quick", **WRONG) == (0, ["e.yaml: is valid"])


def test_a_corpus_that_is_not_there_is_all_that_is_wrong(validated):
    code, (line,) = validated(corpus={"name": "text", "path": "missing.txt"})
    assert code == 4
    assert line.startswith("e.yaml:")
    assert "corpus.path" in line


def test_a_text_of_another_encoding_is_found_in_every_split(validated):
    Path("valid.txt").write_bytes("分开".encode("gb18030"))
    code, lines = validated(corpus={"name": "text", "path": "text.txt", "valid": "valid.txt"})
    assert code == 4
    assert any("valid.txt: is not utf-8 at byte" in line for line in lines)


def test_a_split_that_is_not_there_and_one_that_is_too_short_are_named(validated):
    code, (line,) = validated(evaluation={"every": 9})
    assert code == 4
    assert "has no split 'valid'" in line
    Path("valid.txt").write_text("t")
    corpus = {"name": "text", "path": "text.txt", "valid": "valid.txt"}
    code, (line,) = validated(corpus=corpus, evaluation={"every": 9})
    assert code == 4
    assert "split 'valid'" in line


def test_a_text_that_is_too_short_for_a_batch_is_told(validated):
    code, (line,) = validated(sampler={"name": "consecutive", "batch_size": 999, "window": 99})
    assert code == 4
    assert "the corpus is too short" in line


def test_a_prefix_that_will_be_skipped_is_told(validated):
    code, lines = validated(samples={"prefixes": ["the", "分开"]})
    assert code == 0
    assert any("分" in line and "skipped" in line for line in lines)


def test_a_model_of_any_size_is_looked_at_without_room_for_it(validated):
    assert validated(cell={"name": "lstm", "hidden_size": 2**20})[0] == 0


def test_at_most_a_mebibyte_of_a_split_is_read(validated):
    good = b"the quick brown fox. " * (1 << 17)
    Path("long.txt").write_bytes(good + b"\xff")
    assert validated(corpus={"name": "text", "path": "long.txt"})[0] == 0
