"""The promises of a corpus: every mistake is caught, and what is right passes."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import planted_corpora as planted
import pytest
from planted_late import checks_that_catch

from seqlab.testing import corpora
from seqlab.testing.collection import checks_in
from seqlab.testing.promises import Broken, NotApplicable, Subject, look_at, verify

FIRST = "The quick brown fox\njumps over\nthe lazy dog,\nand so on, until it is long enough.\nend\n"
SECOND = "Another one,\nof 1234 and 想要有直升机\nand no more\n"
CHECKS = checks_in(corpora)
DEFECTS = [
    (planted.OneNameIsText, corpora.splits_are_names_with_train, "not a text"),
    (planted.NoTrainingSplit, corpora.splits_are_names_with_train, "a split 'train'"),
    (planted.TheSameNameTwice, corpora.splits_are_names_with_train, "each name once"),
    (planted.SplitWithoutAName, corpora.splits_are_names_with_train, "names; seen"),
    (planted.NamesInASet, corpora.splits_are_names_with_train, "a sequence of names"),
    (planted.SplitsOfTheReading, corpora.splits_are_names_with_train, "in another instance"),
    (planted.RawBytes, corpora.documents_are_text_or_ids, "int in a bytes"),
    (planted.WholeText, corpora.documents_are_text_or_ids, "to yield documents"),
    (planted.OneIdsForAll, corpora.documents_are_text_or_ids, "to yield documents"),
    (planted.ByteStrings, corpora.documents_are_text_or_ids, "bytes in a list"),
    (planted.NoneForNothing, corpora.documents_are_text_or_ids, "NoneType"),
    (planted.TextAndIds, corpora.documents_are_text_or_ids, "both"),
    (planted.PlainTuple, corpora.documents_are_text_or_ids, "ndarray in a tuple"),
    (planted.FloatIds, corpora.documents_are_text_or_ids, "float64"),
    (planted.IdsInRows, corpora.documents_are_text_or_ids, r"\(3, 5\)"),
    (planted.PaddedWithMinusOne, corpora.documents_are_text_or_ids, "no id below 0"),
    (planted.OneWeightTooFew, corpora.documents_are_text_or_ids, "each of the 5 ids"),
    (planted.WeightsThatAreNoNumbers, corpora.documents_are_text_or_ids, "finite weights"),
    (planted.EmptyValidation, corpora.no_split_is_empty, "nothing in 'valid'"),
    (planted.ReadOnce, corpora.documents_can_be_read_again, "a second pass"),
    (planted.OneHandle, corpora.documents_can_be_read_again, "at the same time"),
    (planted.AnotherOrderEachTime, corpora.documents_can_be_read_again, "a second pass"),
    (planted.AnotherOrderEachBuilding, corpora.documents_can_be_read_again, "another instance"),
    (planted.FingerprintIsBytes, corpora.fingerprint_is_one_text, "a text that is not empty"),
    (planted.FingerprintIsEmpty, corpora.fingerprint_is_one_text, "a text that is not empty"),
    (planted.FingerprintOfWhatWasRead, corpora.fingerprint_is_one_text, "after reading"),
    (planted.FingerprintOfTheInstance, corpora.fingerprint_is_one_text, "another instance"),
    (planted.FingerprintOfThePath, corpora.fingerprint_follows_the_content, "with copies"),
    (planted.FingerprintOfTheTime, corpora.fingerprint_follows_the_content, "with copies"),
    (planted.FingerprintOfTheSize, corpora.fingerprint_follows_the_content, "near the start"),
    (planted.FingerprintOfTheBeginning, corpora.fingerprint_follows_the_content, "near the end"),
    (planted.FingerprintOfTheLastFile, corpora.fingerprint_follows_the_content, "near the start"),
    (planted.FingerprintOfTheJoinedText, corpora.fingerprint_follows_the_content, "cut in two"),
    (planted.FingerprintOfTheFile, corpora.fingerprint_follows_the_content, "capitals: True"),
    (planted.FingerprintOfTrainOnly, corpora.fingerprint_follows_the_content, "near the end"),
    (planted.FingerprintOfTheSeed, corpora.fingerprint_follows_the_content, "with count: 4"),
    (planted.FileNotFound, corpora.missing_file_is_said, "FileNotFoundError"),
    (planted.MissingIsSaidLate, corpora.missing_file_is_said, "at the fingerprint"),
    (planted.MissingIsPassedOver, corpora.missing_file_is_said, "at the fingerprint"),
    (planted.MissingIsAnExit, corpora.missing_file_is_said, "SystemExit"),
    (planted.FilesAreNames, corpora.files_are_all_that_is_read, "paths; seen"),
    (planted.FilesOfYesterday, corpora.files_are_all_that_is_read, "that are there"),
    (planted.FilesTwice, corpora.files_are_all_that_is_read, "each file once"),
    (planted.FilesOfTheInstance, corpora.files_are_all_that_is_read, "of another instance"),
    (planted.FilesOfTheFirstSplit, corpora.files_are_all_that_is_read, r"second\.txt"),
    (planted.CharactersInASet, corpora.same_in_every_process, "the same documents in another"),
    (planted.FingerprintOfAHash, corpora.same_in_every_process, "the same fingerprint in another"),
    (planted.SeedsPython, corpora.reading_leaves_chance_alone, "Python's random state"),
    (planted.DrawsFromNumpyWhenBuilt, corpora.reading_leaves_chance_alone, "numpy's random state"),
]
BUILT_IN = {
    "copy": {"train": 20, "valid": 3, "test": 3},
    "associative_recall": {"train": 20, "valid": 3, "test": 3},
    "text": {"path": ["first.txt", "second.txt"]},
    "hugging_face": {"path": "saved"},
}


@pytest.fixture(autouse=True)
def _files():
    Path("first.txt").write_text(FIRST, "utf-8")
    Path("second.txt").write_text(SECOND, "utf-8")


def subject(corpus, **options) -> Subject:
    if issubclass(corpus, planted.Shelf):
        options = {"path": ["first.txt", "second.txt"], **options}
    return Subject.of("corpus", corpus, options)


@pytest.mark.parametrize(("corpus", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(corpus, check, message):
    with pytest.raises(Broken, match=message):
        verify(check, subject(corpus))


def test_every_check_catches_something():
    caught = {check.__name__ for _, check, _ in DEFECTS} | checks_that_catch("corpus")
    assert caught == {check.__name__ for check in CHECKS}


def test_an_option_that_changes_nothing_does_not_change_the_fingerprint():
    Path("first.txt").write_text("1234\n5678\n", "utf-8")
    with pytest.raises(Broken, match="one as it is and another with capitals: True"):
        verify(
            corpora.fingerprint_follows_the_content,
            subject(planted.FingerprintOfTheOptions, path="first.txt"),
        )


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("path", ["first.txt", ["first.txt"], ["second.txt", "first.txt"]])
def test_a_corpus_of_files_that_is_right_keeps_every_promise(path, check):
    verify(check, subject(planted.Shelf, path=path))


@pytest.mark.parametrize("check", CHECKS)
def test_a_corpus_of_ids_that_is_right_keeps_every_promise(check):
    result = look_at(check, subject(planted.Numbers))
    about_files = (
        corpora.missing_file_is_said,
        corpora.files_are_all_that_is_read,
        corpora.changed_file_is_seen,
    )
    asks_for_files = check in about_files
    assert result.verdict == ("skipped" if asks_for_files else "kept"), result.message


def test_a_corpus_that_cannot_be_had_breaks_no_promise():
    for check in CHECKS:
        with pytest.raises(NotApplicable):
            verify(check, subject(planted.Unavailable))


def test_a_corpus_of_one_certain_file_cannot_be_seen_to_change():
    with pytest.raises(NotApplicable, match="neither a file nor an option"):
        verify(
            corpora.fingerprint_follows_the_content,
            subject(planted.RefusesCopies, path=str(Path("first.txt").absolute())),
        )


def test_files_are_left_as_they_were():
    os.utime("first.txt", (5e8, 5e8))
    for check in CHECKS:
        look_at(check, subject(planted.Shelf))
    assert Path("first.txt").read_text("utf-8") == FIRST
    assert Path("first.txt").stat().st_mtime == 5e8
    assert sorted(path.name for path in Path().iterdir()) == ["first.txt", "second.txt"]


def test_of_a_large_corpus_only_some_variants_are_looked_at():
    for name, text in (("first.txt", FIRST), ("second.txt", SECOND)):
        Path(name).write_text(text * 100_000, "utf-8")
    with pytest.raises(Broken):
        verify(corpora.fingerprint_follows_the_content, subject(planted.FingerprintOfTheSize))
    verify(corpora.fingerprint_follows_the_content, subject(planted.FingerprintOfTheOptions))


@pytest.fixture
def _saved_dataset():
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": [FIRST, SECOND]}).save_to_disk("saved")


@pytest.mark.usefixtures("_saved_dataset")
@pytest.mark.parametrize("check", CHECKS)
def test_the_corpora_that_come_with_seqlab_keep_every_promise(registry, check):
    for component in registry.components("corpus"):
        result = look_at(check, Subject.of_component(component, BUILT_IN.get(component.name, {})))
        assert result.verdict != "broken", f"{component.name}: {result.message}"


@pytest.mark.parametrize("options", [{"newlines": "keep"}, {"encoding": "gb18030"}], ids=str)
@pytest.mark.parametrize("name", ["song.txt", "song.txt.gz"])
def test_the_corpus_text_keeps_every_promise_of_packed_and_foreign_files(registry, name, options):
    data = "想要有直升机\r\n想要和你飞到宇宙去\r\n".encode(options.get("encoding", "utf-8"))
    Path(name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    text = Subject.of_component(registry.find("corpus", "text"), {"path": name, **options})
    verdicts = {check: look_at(check, text) for check in CHECKS}
    assert {result.verdict for result in verdicts.values()} <= {"kept", "skipped"}
    assert verdicts[corpora.missing_file_is_said].verdict == "kept"


def test_the_real_lyrics_keep_every_promise(registry, lyrics):
    jay = registry.find("corpus", "jay_lyrics")
    verdicts = [look_at(check, Subject.of_component(jay, {})).verdict for check in CHECKS]
    assert verdicts.count("skipped") <= 1  # the files are those of the folder of data
    assert "broken" not in verdicts
