"""`seqlab corpus`: what a text holds, preparing it ahead, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TEXT = "猫狗猫\nthe cat\n" * 30


@pytest.fixture
def text() -> Path:
    path = Path("animals.txt")
    path.write_text(TEXT, "utf-8")
    return path


def described(seqlab_command, *arguments):
    result = seqlab_command("corpus", "describe", *arguments, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_a_text_is_described_as_it_is(seqlab_command, text):
    facts = described(seqlab_command, text)
    assert facts["documents"] == 1
    assert facts["characters"] == facts["longest_document"] == facts["tokens"] == len(TEXT)
    assert facts["bytes"] == len(TEXT.encode())
    assert facts["distinct_characters"] == facts["vocabulary"] == len(set(TEXT))
    assert facts["beginning"][:2] == ["猫狗猫", "the cat"]
    first = facts["most_frequent_tokens"][0]
    assert (first["token"], first["count"]) == ("猫", 60)
    assert first["share"] == pytest.approx(60 / len(TEXT))


def test_the_table_says_the_same(seqlab_command, text):
    result = seqlab_command("corpus", "describe", text)
    assert result.code == 0
    assert f"characters\t{len(TEXT)}\n" in result.out
    assert "'猫'\t0\t60\t" in result.out
    assert result.out.endswith("猫狗猫\nthe cat\n猫狗猫\n")


def test_an_experiment_is_described_with_its_own_tokenizer_and_options(seqlab_command, text):
    Path("e.yaml").write_text(
        f"corpus: {{name: text, path: {text}, max_characters: 100, holdout: 0.1}}\n"
        "tokenizer: {name: characters, unknown: token}\n"
    )
    facts = described(seqlab_command, "e.yaml", "--split", "valid")
    assert (facts["splits"], facts["split"]) == (["train", "valid"], "valid")
    assert (facts["characters"], facts["vocabulary"]) == (10, len(set(TEXT)) + 1)


def test_what_another_runs_vocabulary_lacks_is_told(seqlab_command, experiment, text):
    assert seqlab_command("run", experiment, "--run-dir", "fox").code == 0
    facts = described(seqlab_command, text, "--against", "fox")
    assert facts["unknown_rate"] == pytest.approx(5 / 12)  # 猫狗猫 and the newlines
    assert described(seqlab_command, "text.txt", "--against", "fox")["unknown_rate"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.txt"], 4, "nowhere.txt: there is no such file"),
        (["animals.txt", "--split", "test"], 4, "has no split 'test'"),
        (["animals.txt", "--against", "nobody"], 2, "nobody"),
        (["animals.txt", "--set", "tokenizer=nothing"], 2, "unknown tokenizer 'nothing'"),
        (["animals.txt", "--set", "tokenizer=ids"], 4, "this corpus gives text"),
        (["empty.yaml"], 2, "corpus: this section is missing"),
    ],
)
def test_what_cannot_be_described_is_told_in_one_line(seqlab_command, text, arguments, code, words):
    Path("empty.yaml").write_text("train: {epochs: 1}\n")
    result = seqlab_command("corpus", "describe", *arguments)
    assert result.code == code
    assert words in result.err
    assert len(result.err.splitlines()) == 1


def test_a_corpus_that_was_built_ahead_is_not_read_again(seqlab_command, experiment):
    built = seqlab_command("corpus", "build", experiment, "--set", "corpus.holdout=0.25")
    assert built.code == 0
    assert built.out.splitlines()[1:] == ["train\t1\t1,512\t1.5 kB", "valid\t1\t504\t504 B"]
    kept = json.loads(seqlab_command("corpus", "cache", "--json").out)
    assert sorted((fact["split"], fact["tokens"]) for fact in kept) == [
        ("train", 1512),
        ("valid", 504),
    ]
    ran = seqlab_command("run", experiment, "--set", "corpus.holdout=0.25", "--run-dir", "here")
    assert ran.code == 0
    assert len(json.loads(seqlab_command("corpus", "cache", "--json").out)) == 2


def test_what_is_kept_can_be_cleared(seqlab_command, experiment):
    assert seqlab_command("corpus", "build", experiment).code == 0
    assert "2,016" in seqlab_command("corpus", "cache").out
    assert "Removed" in seqlab_command("corpus", "cache", "--clear").err
    nothing = seqlab_command("corpus", "cache")
    assert (nothing.code, nothing.out) == (0, "")
    assert "The cache is empty" in nothing.err


@pytest.mark.parametrize("verb", ["build", "describe"])
def test_a_misspelt_section_is_refused_as_validate_refuses_it(seqlab_command, experiment, verb):
    wrong = ("--set", "tokeniser={name: words}")
    expected = seqlab_command("validate", experiment, *wrong)
    result = seqlab_command("corpus", verb, experiment, *wrong)
    assert (result.code, result.out) == (2, "")
    assert "unknown section 'tokeniser'; did you mean 'tokenizer'?" in result.err
    assert result.err == f"seqlab: {expected.err}"


def test_sections_that_are_not_needed_may_be_missing(seqlab_command, text):
    Path("e.yaml").write_text(f"corpus: {{name: text, path: {text}}}\nrequires: []\n")
    assert seqlab_command("corpus", "build", "e.yaml").code == 0


def test_a_build_that_cannot_be_kept_has_failed(seqlab_command, experiment, monkeypatch):
    Path("a-file-too").touch()
    monkeypatch.setenv("SEQLAB_CACHE", "a-file-too/cache")
    result = seqlab_command("corpus", "build", experiment)
    assert (result.code, result.out) == (1, "")
    assert "a-file-too/cache: cannot be written (Not a directory)" in result.err
    assert len(result.err.splitlines()) == 1
    assert seqlab_command("run", experiment).code == 0


def test_what_cannot_be_cleared_is_told_with_what_was(seqlab_command, experiment, monkeypatch):
    def refused(*_):
        raise OSError(30, "Read-only file system")

    assert seqlab_command("corpus", "build", experiment).code == 0
    monkeypatch.setattr(Path, "rename", refused)  # which removes folders, not files
    result = seqlab_command("corpus", "cache", "--clear")
    assert result.code == 1
    removed, left = result.err.splitlines()
    assert removed.startswith("Removed ")
    assert "kB" not in removed or float(removed.split()[1]) < 2
    assert left.startswith("seqlab: ")
    assert left.endswith("cannot be removed (Read-only file system)")


def test_a_damaged_manifest_stops_no_verb(seqlab_command, experiment):
    assert seqlab_command("corpus", "build", experiment).code == 0
    (kept,) = json.loads(seqlab_command("corpus", "cache", "--json").out)
    Path(kept["folder"], "manifest.json").write_text("[]")
    assert seqlab_command("corpus", "cache").code == 0
    assert seqlab_command("corpus", "build", experiment).code == 0
    assert len(json.loads(seqlab_command("corpus", "cache", "--json").out)) == 1
    Path(kept["folder"], "manifest.json").write_text("[]")
    assert seqlab_command("corpus", "cache", "--clear").code == 0
    assert not Path(kept["folder"]).exists()
