"""The corpus `tokens`: ids that somebody has already made."""

from __future__ import annotations

import mmap
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.corpora.token_files import TokenFiles

import seqlab
from seqlab import CorpusError, CorpusUnavailable
from seqlab.testing import check_corpus


def raw(ids, dtype="<u2", name="ids.bin") -> Path:
    Path(name).write_bytes(np.array(ids).astype(dtype).tobytes())
    return Path(name)


def npy(ids, name="ids.npy") -> Path:
    np.save(name, np.array(ids))
    return Path(name)


def documents(corpus, split: str = "train") -> list[list[int]]:
    return [document.ids.tolist() for document in corpus.documents(split)]


def refusal(corpus) -> str:
    with pytest.raises(CorpusError) as caught:
        corpus.fingerprint()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "int32", "int64"])
def test_raw_numbers_are_little_endian(dtype):
    path = raw([3, 1, 100], np.dtype(dtype).newbyteorder("<"))
    assert documents(TokenFiles(path=path, dtype=dtype)) == [[3, 1, 100]]


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i8", ">i4"])
def test_an_npy_file_says_its_own_type(dtype):
    assert documents(TokenFiles(path=npy(np.array([3, 1, 100], dtype)))) == [[3, 1, 100]]


def test_the_fingerprint_is_that_of_the_ids_however_they_are_stored():
    paths = [raw([3, 1, 4]), npy(np.array([3, 1, 4], ">i4"))]
    assert len({TokenFiles(path=path).fingerprint() for path in paths}) == 1


def test_an_id_ends_documents_and_belongs_to_them():
    corpus = TokenFiles(path=raw([5, 6, 0, 0, 7, 8]), end=0)
    assert documents(corpus) == [[5, 6, 0], [0], [7, 8]]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1), st.integers(0, 5), st.booleans())
def test_documents_joined_are_the_file(ids, before, long):
    ahead = (1 << 20) - before if long else before  # 2²⁰ ids are read at a time
    written = np.concatenate([np.ones(ahead, int), ids])
    pieces = [d.ids for d in TokenFiles(path=raw(written), end=0).documents("train")]
    joined = np.array_equal(np.concatenate(pieces), written)
    assert joined  # a million ids take minutes to show
    assert all(piece[:-1].all() for piece in pieces)


def test_nothing_is_read_into_memory():
    (document,) = TokenFiles(path=raw(range(1000))).documents("train")
    bases = [document.ids]
    while isinstance(bases[-1], np.ndarray):
        bases.append(bases[-1].base)
    assert isinstance(bases[-1], mmap.mmap)


def test_splits_lie_in_files_of_their_own():
    corpus = TokenFiles(path=raw([1, 2]), valid=npy([3]))
    assert (corpus.splits, documents(corpus, "valid")) == (("train", "valid"), [[3]])
    assert corpus.files == [Path("ids.bin"), Path("ids.npy")]


def test_the_fingerprint_tells_where_documents_end():
    path = raw([1, 2, 1, 2])
    fingerprints = {TokenFiles(path=path, end=end).fingerprint() for end in (None, 1, 2)}
    assert len(fingerprints) == 3
    assert TokenFiles(path=path, end=9).fingerprint() in fingerprints


def test_a_file_of_tokens_trains(tiny):
    raw(np.arange(600) % 7)
    tiny |= {"corpus": {"name": "tokens", "path": "ids.bin", "holdout": 0.1}, "tokenizer": "ids"}
    run = seqlab.run(tiny | {"evaluation": {"every": "1 epoch"}})
    assert run.metrics[-1]["split"] == "valid"


def test_an_id_that_training_did_not_show_is_refused(tiny):
    raw(np.arange(600) % 7)
    raw([9], name="held.bin")
    corpus = {"name": "tokens", "path": "ids.bin", "valid": "held.bin"}
    tiny |= {"corpus": corpus, "tokenizer": "ids", "evaluation": {"every": "1 epoch"}}
    with pytest.raises(
        CorpusError, match=r"split 'valid': document 1: has the id 9; ids are 0 … 6"
    ):
        seqlab.run(tiny)


def test_a_missing_file_is_unavailable():
    with pytest.raises(CorpusUnavailable, match="nowhere: there is no such file"):
        TokenFiles(path=Path("nowhere")).fingerprint()


@pytest.mark.parametrize("name", ["ids.bin", "ids.npy"])
def test_a_file_without_ids_is_refused(name):
    path = npy(np.array([], np.int64)) if name.endswith("npy") else raw([])
    assert f"{name}: is empty" in refusal(TokenFiles(path=path))


def test_a_raw_file_that_is_cut_off_is_refused():
    Path("ids.bin").write_bytes(bytes(1001))
    message = refusal(TokenFiles(path=Path("ids.bin")))
    assert "its 1,001 bytes are not a multiple of 2, the size of uint16" in message


@pytest.mark.parametrize("kept", [0, 5, 70, -3])
def test_an_npy_file_that_is_cut_off_is_refused(kept):
    path = npy(range(100))
    path.write_bytes(path.read_bytes()[:kept])
    assert "ids.npy: cannot be read as .npy" in refusal(TokenFiles(path=path))


def test_an_npy_file_with_any_byte_of_its_header_damaged_is_read_or_refused():
    path = npy(range(20))
    whole = path.read_bytes()
    for index in range(128):
        for byte in b"\0\n(\"'{x7\xff":
            path.write_bytes(whole[:index] + bytes([byte]) + whole[index + 1 :])
            with suppress(CorpusError):
                TokenFiles(path=path).fingerprint()


def test_an_archive_of_numpy_is_no_npy_file():
    np.savez("some.npz", ids=np.arange(3))
    Path("some.npz").rename("ids.npy")
    assert "ids.npy: cannot be read as .npy" in refusal(TokenFiles(path=Path("ids.npy")))


def test_ids_of_another_dtype_are_refused_before_they_ask_for_a_vocabulary():
    message = refusal(TokenFiles(path=raw([50_000, 49_999], "<u2"), dtype="uint32"))
    assert "ids.bin: its largest id is 3,276,784,464; ids are below 134,217,728" in message
    assert message.endswith("is `dtype` uint32 right?")
    assert "dtype" not in refusal(TokenFiles(path=npy([1 << 27])))


def test_the_largest_id_there_may_be_is_taken():
    TokenFiles(path=raw([(1 << 27) - 1], "<u4"), dtype="uint32").fingerprint()


@pytest.mark.parametrize("ids", [[[1, 2]], [0.5], 3, [True], ["a"]])
def test_what_are_no_token_ids_is_refused(ids):
    assert "token ids are integers in one dimension" in refusal(TokenFiles(path=npy(ids)))


def test_objects_are_never_unpickled():
    np.save("ids.npy", np.array([{}], object), allow_pickle=True)
    assert "cannot be read as .npy" in refusal(TokenFiles(path=Path("ids.npy")))


def test_a_negative_id_is_named_with_its_place():
    path = raw([1, 2, -1], "<i4")
    message = refusal(TokenFiles(path=path, dtype="int32"))
    assert "ids.bin: has the id -1 at position 2" in message


def test_a_folder_is_no_file():
    assert "is a folder" in refusal(TokenFiles(path=Path.cwd()))


@pytest.mark.parametrize("end", [None, 7])
def test_token_files_keep_every_promise(end):
    check_corpus(TokenFiles, path=raw(range(400)), valid=npy([1, 7, 3]), end=end)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_a_stated_size_takes_ids_that_training_did_not_show(dtype, tiny):
    raw(np.arange(600) % 7, dtype)
    raw([9, 8, 7], dtype, name="held.bin")
    corpus = {"name": "tokens", "path": "ids.bin", "valid": "held.bin", "dtype": dtype}
    tiny |= {"corpus": corpus, "tokenizer": {"name": "ids", "size": 10}, "evaluation": {"every": 1}}
    run = seqlab.run(tiny)
    scored = [row for row in run.metrics if row["split"] == "valid"]
    assert run.description["vocabulary"]["size"] == 10
    assert {row["bits_per_character"] for row in scored} == {None}


def test_an_id_of_training_beyond_the_stated_size_is_refused(tiny):
    raw(np.arange(600) % 7)
    tokenizer = {"name": "ids", "size": 6}
    with pytest.raises(CorpusError, match=r"token id 6, but ids are below `tokenizer.size`"):
        seqlab.run(tiny | {"corpus": {"name": "tokens", "path": "ids.bin"}, "tokenizer": tokenizer})
