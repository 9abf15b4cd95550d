"""Documents as token ids, and windows cut from them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.tokenizers.basic import Characters, TokenIds

from seqlab import CorpusError, Ids, Tokens
from seqlab.data.store import open_store, write_store
from seqlab.data.tokens import decode, encode
from seqlab.documents import first_characters

relaxed = settings(deadline=None, max_examples=100)
LETTERS = "abcdefgh"


def tokenized(*documents, tokenizer=None, **options) -> Tokens:
    tokenizer = tokenizer or Characters(**options)
    tokenizer.fit(documents)
    return kept_in_a_file(documents, tokenizer)


def kept_in_a_file(documents, tokenizer) -> Tokens:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        write_store(store, encode(documents, tokenizer), tokenizer.size, {})
        return open_store(store, rebuild=pytest.fail)


def ids(*numbers, weights=None) -> Ids:
    return Ids(np.array(numbers), None if weights is None else np.array(weights))


def cut(documents, limit) -> list[str]:
    return ["".join(document) for document in first_characters(documents, limit)]


def test_documents_follow_one_another_and_their_starts_are_known():
    tokens = tokenized("ab", "cab")
    assert tokens.ids.tolist() == [0, 1, 2, 0, 1]
    assert tokens.documents.tolist() == [0, 2]


def test_end_of_document_stands_between_documents_only():
    tokens = tokenized("ab", "c", "d", end_of_document="|")
    assert tokens.ids.tolist() == [0, 1, 4, 2, 4, 3]
    assert tokens.documents.tolist() == [0, 3, 5]


def test_an_empty_document_is_a_document():
    assert tokenized("ab", "", "c").documents.tolist() == [0, 2, 2]


@pytest.mark.parametrize("documents", [[], [""], [[]], [["", ""]]])
def test_a_corpus_without_a_token_is_refused(documents):
    with pytest.raises(CorpusError, match="it has no token"):
        tokenized(*documents)


@relaxed
@given(st.lists(st.text(LETTERS, max_size=5), min_size=1))
def test_a_document_in_pieces_is_the_document(pieces):
    whole = LETTERS + "".join(pieces)
    assert tokenized([LETTERS, *pieces]).ids.tolist() == tokenized(whole).ids.tolist()


def test_a_character_without_an_id_is_placed_in_its_piece_of_the_document():
    tokenizer = Characters()
    tokenizer.fit(["ab"])
    with pytest.raises(
        CorpusError, match=r"document 2, from character 2 on: character '猫' .* at position 1"
    ):
        kept_in_a_file(["ab", ["ab", "a猫"]], tokenizer)


@pytest.mark.parametrize(("size", "dtype"), [(256, "uint8"), (257, "uint16"), (65_537, "uint32")])
def test_ids_take_no_more_bytes_than_they_need(size, dtype):
    assert tokenized(ids(0, size - 1), tokenizer=TokenIds()).ids.dtype == dtype


def test_weights_of_documents_are_joined_and_missing_ones_are_one():
    tokens = tokenized(ids(0, 1, weights=[0, 2.5]), ids(1, 0), tokenizer=TokenIds())
    assert tokens.weights.tolist() == [0, 2.5, 1, 1]


def test_weights_that_are_all_one_are_no_weights():
    assert tokenized(ids(0, 1, weights=[1, 1]), tokenizer=TokenIds()).weights is None


def test_weights_of_another_length_than_the_ids_are_refused():
    documents = [ids(0, 1, 2, weights=[1, 0]), ids(0, 1, 2, weights=[1, 0, 1, 1])]
    with pytest.raises(CorpusError, match=r"document 1: .*weights"):
        tokenized(*documents, tokenizer=TokenIds())


def test_an_id_below_zero_is_refused():
    with pytest.raises(CorpusError, match="-1"):
        tokenized(ids(0, -1, 5), tokenizer=TokenIds())


@relaxed
@given(st.lists(st.lists(st.text(LETTERS, max_size=4), max_size=4)), st.integers(1, 30))
def test_max_characters_cuts_the_text_wherever_its_pieces_end(documents, limit):
    assert "".join(cut(documents, limit)) == "".join("".join(d) for d in documents)[:limit]


def test_documents_after_the_last_character_are_left_out():
    assert cut(["abc", ["de", "fg"], "h"], 6) == ["abc", "def"]
    assert cut(["abc", "de"], 3) == ["abc"]


def test_no_limit_keeps_every_document():
    assert cut(["abc", "", "de"], None) == ["abc", "", "de"]


def test_no_piece_is_read_after_the_last_character():
    pieces = iter(["abc", "def", "ghi", "jkl"])
    assert cut([pieces], 7) == ["abcdefg"]
    assert list(pieces) == ["jkl"]


def test_characters_cannot_be_counted_where_there_are_only_ids():
    with pytest.raises(CorpusError, match="max_characters"):
        cut([ids(0, 1)], 1)


def test_windows_are_inputs_and_targets_one_further():
    batch = Tokens(np.arange(20), np.array([0])).windows([3, 10], 4)
    assert batch.inputs.tolist() == [[3, 4, 5, 6], [10, 11, 12, 13]]
    assert batch.targets.tolist() == [[4, 5, 6, 7], [11, 12, 13, 14]]
    assert batch.inputs.dtype == batch.targets.dtype == torch.int64


@pytest.mark.parametrize(("given", "rows"), [(True, [1, 1]), (False, [0, 0]), ([1, 0], [1, 0])])
def test_continues_is_said_for_all_rows_or_for_each(given, rows):
    batch = Tokens(np.arange(20), np.array([0])).windows([3, 10], 4, continues=given)
    assert batch.continues.equal(torch.tensor(rows, dtype=torch.bool))


def test_what_lies_behind_a_stop_counts_nothing():
    batch = Tokens(np.arange(6), np.array([0])).windows([0, 3], 3, stops=[3, 5])
    assert batch.weights.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_a_weight_belongs_to_the_token_as_a_target():
    weights = np.arange(6, dtype=np.float32)
    batch = Tokens(np.arange(6), np.array([0]), weights).windows([0, 2], 3, stops=[3, 4])
    assert batch.weights.tolist() == [[1, 2, 3], [3, 4, 0]]


def test_windows_come_from_a_memory_mapped_file_too(tmp_path):
    np.save(tmp_path / "ids.npy", np.arange(20, dtype=np.uint16))
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    assert Tokens(mapped, np.array([0])).windows([3], 2).targets.tolist() == [[4, 5]]


def test_half_a_character_is_read_as_the_replacement_character():
    class Bytes:
        def token_bytes(self, token):
            return bytes([token])

    assert decode(Bytes(), "分a".encode()) == "分a"
    assert decode(Bytes(), "a分".encode()[:-1]) == "a\ufffd"
