"""The promises of a tokenizer: every mistake is caught, and what is right passes."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import planted_tokenizers as planted
import pytest
from planted_late import checks_that_catch
from planted_late_tokenizers import FromAFile

from seqlab.testing import tokenizers
from seqlab.testing.collection import checks_in
from seqlab.testing.promises import Broken, NotApplicable, Subject, look_at, verify

CHECKS = checks_in(tokenizers)
DEFECTS = [
    (planted.CountsFromOne, tokenizers.ids_are_below_size, "ids of 0 … "),
    (planted.ABatchOfOne, tokenizers.ids_are_below_size, "one dimension; seen: 2"),
    (planted.FloatsAreIds, tokenizers.ids_are_below_size, "float32"),
    (planted.BeginsWithAToken, tokenizers.ids_are_below_size, "no id for an empty text"),
    (planted.SizeIsOfNumpy, tokenizers.ids_are_below_size, "`size` to be an integer"),
    (planted.LooksBack, tokenizers.time_grows_with_the_text, "times as long"),
    (planted.LowerCase, tokenizers.texts_come_back, "the quick"),
    (planted.Composed, tokenizers.texts_come_back, "to come back"),
    (planted.Words, tokenizers.texts_come_back, "to come back"),
    (planted.Lines, tokenizers.texts_come_back, "to come back"),
    (planted.SpacesAreLost, tokenizers.texts_come_back, "to come back"),
    (planted.MostFrequent, tokenizers.texts_come_back, "to come back"),
    (planted.ReadsDocumentsTwice, tokenizers.texts_come_back, "'T' has no id"),
    (planted.PiecesAreCharacters, tokenizers.texts_come_back, "has no id"),
    (planted.BytesThroughText, tokenizers.tokens_stream_as_text, "token by token"),
    (planted.BytesUpsideDown, tokenizers.tokens_stream_as_text, "token by token"),
    (planted.RemembersTheLast, tokenizers.tokens_stream_as_text, "token by token"),
    (planted.TextForBytes, tokenizers.every_id_has_bytes, "bytes of token"),
    (planted.NothingForTheEnd, tokenizers.every_id_has_bytes, r"range\(0, 256\)"),
    (planted.RemembersTheLast, tokenizers.every_id_has_bytes, "again"),
    (planted.HoldsHalfCharacters, tokenizers.every_id_has_bytes, "again"),
    (planted.EndIsNoId, tokenizers.end_of_document_is_an_id, "None, or an id"),
    (planted.EndIsText, tokenizers.end_of_document_is_an_id, "None, or an id"),
    (planted.EndIsFalse, tokenizers.end_of_document_is_an_id, "None, or an id"),
    (
        planted.NumbersTheUnknownFirst,
        tokenizers.unknown_and_reserved_ids_are_in_no_text,
        "no unknown or reserved id in what",
    ),
    (
        planted.ReservesBeyond,
        tokenizers.unknown_and_reserved_ids_are_in_no_text,
        "None, or ids of 0 … ",
    ),
    (planted.SavesAnArray, tokenizers.vocabulary_survives_saving, "JSON values and tensors"),
    (planted.SavesASet, tokenizers.vocabulary_survives_saving, "JSON values and tensors"),
    (planted.SavesSorted, tokenizers.vocabulary_survives_saving, "the bytes of the tokens"),
    (planted.SavesWithoutTheEnd, tokenizers.vocabulary_survives_saving, "end_of_document"),
    (planted.LoadsBesides, tokenizers.vocabulary_survives_saving, "'T' has no id"),
    (planted.ForgetsItsSize, tokenizers.vocabulary_survives_saving, "size"),
    (planted.NumbersGoOn, tokenizers.fitted_alike_is_alike, "the bytes of the tokens"),
    (planted.AnyOrder, tokenizers.fitted_alike_is_alike, "the bytes of the tokens"),
    (planted.OfASet, tokenizers.hash_seed_does_not_matter, "in another process: ids"),
    (planted.OfAHash, tokenizers.hash_seed_does_not_matter, "in another process: ids"),
    (planted.KeyErrorForOthers, tokenizers.unseen_text_has_ids_or_is_refused, "KeyError"),
    (planted.OthersAreBeyond, tokenizers.unseen_text_has_ids_or_is_refused, "ids of 0 … "),
    (planted.OthersAreMinusOne, tokenizers.unseen_text_has_ids_or_is_refused, r"\[-1, "),
    (planted.SeedsPython, tokenizers.fitting_leaves_chance_alone, "Python's random state"),
    (planted.DrawsFromNumpy, tokenizers.fitting_leaves_chance_alone, "numpy's random state"),
]
RIGHT = ((planted.Letters, {"unknown": "token"}), (planted.Bytes, {}))
BUILT_IN = {
    "characters": ({}, {"unknown": "token", "end_of_document": "|"}),
    "file": ({"path": "ranks.txt", "pattern": "gpt2"},),
}
ABOUT_TEXT = {
    tokenizers.texts_come_back,
    tokenizers.tokens_stream_as_text,
    tokenizers.hash_seed_does_not_matter,
    tokenizers.long_texts_come_back,
    tokenizers.encoding_depends_on_the_text_alone,
}
WITHOUT_FILES = [check for check in CHECKS if check is not tokenizers.files_count_when_it_is_fitted]


@pytest.mark.parametrize(("tokenizer", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(tokenizer, check, message):
    with pytest.raises(Broken, match=message):
        verify(check, Subject.of("tokenizer", tokenizer, {}))


def test_every_check_catches_something():
    caught = {check.__name__ for _, check, _ in DEFECTS} | checks_that_catch("tokenizer")
    assert caught == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("check", WITHOUT_FILES)
@pytest.mark.parametrize(("tokenizer", "options"), RIGHT)
def test_what_is_right_keeps_every_promise(tokenizer, options, check):
    verify(check, Subject.of("tokenizer", tokenizer, options))


@pytest.mark.parametrize("check", WITHOUT_FILES)
def test_a_tokenizer_of_ids_is_not_asked_for_text(check):
    subject = Subject.of("tokenizer", planted.Numerals, {})
    if check not in ABOUT_TEXT:
        verify(check, subject)
        return
    with pytest.raises(NotApplicable, match="which have no text"):
        verify(check, subject)


def test_a_tokenizer_with_a_file_that_it_saves_keeps_every_promise(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("the\nfox\nover\n", "utf-8")
    for check in CHECKS:
        verify(check, Subject.of("tokenizer", FromAFile, {"file": words}))


def test_a_tokenizer_that_no_other_process_finds_is_not_asked_there():
    class Inside(planted.Letters):
        """Within a function."""

    with pytest.raises(NotApplicable, match="at the top of a file"):
        verify(tokenizers.hash_seed_does_not_matter, Subject.of("tokenizer", Inside, {}))


@pytest.fixture
def _ranks():
    """A file of tiktoken: the bytes, and two pairs."""
    pytest.importorskip("tiktoken")
    tokens = [*(bytes([byte]) for byte in range(256)), b"th", b"the"]
    lines = [f"{b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
    Path("ranks.txt").write_text("".join(lines), "utf-8")


@pytest.mark.usefixtures("_ranks")
@pytest.mark.parametrize("check", WITHOUT_FILES)
def test_the_tokenizers_that_come_with_seqlab_keep_every_promise(registry, check):
    for component in registry.components("tokenizer"):
        for options in BUILT_IN.get(component.name, ({},)):
            result = look_at(check, Subject.of_component(component, options))
            of_ids = component.name == "ids" and check in ABOUT_TEXT
            verdict = "skipped" if of_ids else "kept"
            assert result.verdict == verdict, f"{component.name}: {result.message}"
