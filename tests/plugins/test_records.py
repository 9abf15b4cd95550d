"""The corpora `jsonl` and `parquet`: documents that are one field of many records."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.corpora.parquet_files import Parquet
from seqlab_plugins.corpora.records import Jsonl

from seqlab import CorpusError, CorpusUnavailable
from seqlab.testing import check_corpus

TEXTS = ["想要有直升机", "", "two\nlines\r\n", "a NUL \x00 too", '"quoted" \\ \u2028 🦖']
PIECE = 1 << 20  # bytes that are read at a time
SPLITS = ["train", "valid", "train", "test", "train"]


def jsonl(*lines: str | bytes, name: str = "some.jsonl") -> Path:
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    Path(name).write_bytes(b"\n".join(raw))
    return Path(name)


def objects(texts: list[str] = TEXTS, **more: list) -> Path:
    rows = zip(texts, *more.values(), strict=True)
    return jsonl(*(json.dumps(dict(zip(["text", *more], row, strict=True))) for row in rows))


def parquet(name: str = "some.parquet", rows: int = 2, **columns: list) -> Path:
    table, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    writer.write_table(table.table(columns), name, row_group_size=rows)
    return Path(name)


def texts(corpus, split: str = "train") -> list[str]:
    return list(corpus.documents(split))


def refusal(corpus) -> str:
    with pytest.raises(CorpusError) as caught:
        corpus.fingerprint()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(params=["jsonl", "parquet"])
def stored(request):
    """Make a corpus of texts and what stands beside them, stored in one of the two ways."""

    def stored(texts=TEXTS, **more):
        options = {
            key: more.pop(key) for key in ("text", "split") if isinstance(more.get(key), str)
        }
        if request.param == "jsonl":
            return Jsonl(path=objects(texts, **more), **options)
        return Parquet(path=parquet(text=texts, **more), **options)

    return stored


def test_each_record_is_a_document_as_it_stands(stored):
    assert texts(stored()) == TEXTS


def test_a_field_names_the_split_of_each_document(stored):
    corpus = stored(part=SPLITS, split="part")
    assert corpus.splits == ("train", "test", "valid")
    assert texts(corpus) == [TEXTS[0], TEXTS[2], TEXTS[4]]
    assert texts(corpus, "test") == [TEXTS[3]]


def test_any_field_may_hold_the_text(stored):
    assert texts(stored(part=SPLITS, text="part")) == SPLITS


def test_the_fingerprint_follows_the_documents_and_their_splits(stored):
    whole = stored().fingerprint()
    assert stored(other=[1, 2, 3, 4, 5]).fingerprint() == whole
    variants = [
        stored([*TEXTS[:-1], "x"]).fingerprint(),
        stored(["".join(TEXTS)]).fingerprint(),
        stored(part=SPLITS, split="part").fingerprint(),
    ]
    assert len({whole, *variants}) == 4


def test_the_order_of_the_splits_is_no_content(stored):
    fingerprint = stored(["a", "b"], part=["train", "valid"], split="part").fingerprint()
    assert stored(["b", "a"], part=["valid", "train"], split="part").fingerprint() == fingerprint


def test_splits_come_from_a_field_or_from_files_and_never_both(stored):
    path = stored().files[0]
    with pytest.raises(ValueError, match="leave out valid and test"):
        Jsonl(path=path, split="part", valid=path)


def test_splits_lie_in_files_of_their_own(stored):
    first = stored().files[0]
    held = first.with_stem("held")
    first.rename(held)
    corpus = type(stored())(path=stored(["one"]).files[0], valid=held)
    assert (texts(corpus), texts(corpus, "valid")) == (["one"], TEXTS)
    assert corpus.files == [first, held]


def test_a_missing_file_is_unavailable(stored):
    with pytest.raises(CorpusUnavailable, match="nowhere: there is no such file"):
        type(stored())(path=Path("nowhere")).fingerprint()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_every_text_comes_back_from_json(rows):
    assert texts(Jsonl(path=objects(rows))) == rows


@pytest.mark.parametrize("ahead", range(PIECE - 180, PIECE, 15))
def test_a_line_may_lie_across_pieces(ahead):
    first, *others = texts(Jsonl(path=objects(["x" * ahead, *TEXTS])))
    assert len(first) == ahead
    assert others == TEXTS


def test_lines_may_end_as_on_windows_and_empty_ones_are_left_out():
    path = jsonl('{"text": "a"}\r', "", "  \t\r", '{"text": "b"}', "")
    assert texts(Jsonl(path=path)) == ["a", "b"]


def test_jsonl_may_be_packed():
    Path("some.jsonl.gz").write_bytes(gzip.compress(objects().read_bytes()))
    assert texts(Jsonl(path=Path("some.jsonl.gz"))) == TEXTS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'text': 1}", "some.jsonl:2:2: is not JSON"),
        ('{"text": "a\x00"}', "some.jsonl:2:12: is not JSON (Invalid control character at)"),
        ('{"text": "a"} x', "some.jsonl:2:15: is not JSON (Extra data)"),
        ('{"text": "cut', "some.jsonl:2:10: is not JSON"),
        ('["text"]', "some.jsonl:2: should be an object"),
        ('"text"', "some.jsonl:2: should be an object"),
        (
            '{"title": "a", "body": "b"}',
            "some.jsonl:2: has no field 'text' (its fields: title, body)",
        ),
        ('{"text": null}', "some.jsonl:2: field 'text' is null, not a text"),
        ('{"text": 7}', "some.jsonl:2: field 'text' is a number, not a text"),
        ('{"text": {}}', "some.jsonl:2: field 'text' is a mapping, not a text"),
        (
            r'{"text": "ab\ud800"}',
            "some.jsonl:2: field 'text' has half a surrogate pair at character 2",
        ),
        (b'{"text": "\xff"}', "some.jsonl: is not utf-8 at byte 24 "),
        ("[" * 100_000, "some.jsonl:2: cannot be read as JSON"),
        ('{"text": ' + "9" * 5_000 + "}", "some.jsonl:2: cannot be read as JSON"),
    ],
)
def test_a_line_that_is_wrong_is_named(line, message):
    assert message in refusal(Jsonl(path=jsonl('{"text": "a"}', line)))


@pytest.mark.parametrize(("length", "limit"), [(100, 30), (4 * PIECE, 30), (4 * PIECE, 2 * PIECE)])
def test_a_line_that_is_too_long_is_refused_before_it_is_read(length, limit):
    path = jsonl('{"text": "a"}', '{"text": "' + "b" * length)
    message = f"some.jsonl:2: has more than {limit:,} characters"
    assert message in refusal(Jsonl(path=path, max_line=limit))


def test_an_enormous_line_takes_no_more_memory_than_the_limit():
    with Path("line.jsonl").open("wb") as file:
        for _ in range(64):
            file.write(b"a" * (1 << 20))
    tracemalloc.start()
    refusal(Jsonl(path=Path("line.jsonl"), max_line=1 << 22))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_missing_package_is_told_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"pip install 'seqlab\[parquet\]'"):
        Parquet(path=Path("some.parquet"))


def test_a_column_may_be_a_dictionary():
    pa = pytest.importorskip("pyarrow")
    path = parquet(text=pa.array(["a", "b", "a"]).dictionary_encode())
    assert texts(Parquet(path=path)) == ["a", "b", "a"]


def test_a_column_that_is_not_there_is_told_with_those_that_are():
    path = parquet(title=["a"], n=[1])
    message = "has no column 'text' (text columns: title)"
    assert message in refusal(Parquet(path=path))


def test_two_columns_of_one_name_are_refused():
    pa, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    writer.write_table(table, "some.parquet")
    assert "has several columns 'text'" in refusal(Parquet(path=Path("some.parquet")))


@pytest.mark.parametrize("kind", ["ArrowNotImplementedError", "ArrowKeyError", "ArrowTypeError"])
def test_whatever_arrow_refuses_is_a_matter_of_the_file(monkeypatch, kind):
    path, error = parquet(text=TEXTS), getattr(pytest.importorskip("pyarrow"), kind)

    def refusing(*_, **__):
        raise error("an unknown\nencoding")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", refusing)
    message = refusal(Parquet(path=path))
    assert "some.parquet: cannot be read as Parquet (" in message
    assert "an unknown" in message


def test_a_parquet_file_with_any_byte_of_its_metadata_damaged_is_read_or_refused():
    path = parquet(text=TEXTS)
    whole = path.read_bytes()
    for index in range(4, len(whole), 3):
        for byte in (0, 1, 0x7F, 0xFF):
            path.write_bytes(whole[:index] + bytes([byte]) + whole[index + 1 :])
            with suppress(CorpusError):
                Parquet(path=path).fingerprint()


def test_a_column_of_numbers_is_no_text():
    message = "column 'text' is int64, no text (that are: title)"
    assert message in refusal(Parquet(path=parquet(text=[1], title=["a"])))


def test_a_row_without_a_text_is_named():
    path = parquet(text=["a", "b", None])
    assert "some.parquet: row 3: field 'text' is null" in refusal(Parquet(path=path))


def test_bytes_that_are_no_utf8_are_told_with_the_row():
    pa = pytest.importorskip("pyarrow")
    wrong = pa.array([b"\xff"]).view(pa.string())
    assert "is not UTF-8" in refusal(Parquet(path=parquet(text=wrong)))


@pytest.mark.parametrize("kept", [0, 3, 50, -20])
def test_a_truncated_parquet_file_is_refused(kept):
    path = parquet(text=TEXTS)
    path.write_bytes(path.read_bytes()[:kept])
    assert "some.parquet: cannot be read as Parquet" in refusal(Parquet(path=path))


def test_a_damaged_parquet_file_is_refused():
    path = parquet(text=["a" * 1000])
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)
    assert "cannot be read as Parquet" in refusal(Parquet(path=path))


def test_a_folder_is_no_parquet_file():
    pytest.importorskip("pyarrow")
    assert "cannot be read" in refusal(Parquet(path=Path.cwd()))


def test_rows_are_read_as_they_are_asked_for():
    pa = pytest.importorskip("pyarrow")
    writer, path = pytest.importorskip("pyarrow.parquet"), Path("large.parquet")
    table = pa.table({"text": ["a" * 100_000 + str(i) for i in range(400)]})
    writer.write_table(table, path, write_batch_size=4, use_dictionary=False, compression="none")
    del table
    before = pa.total_allocated_bytes()
    for _ in islice(Parquet(path=path).documents("train"), 5):
        assert pa.total_allocated_bytes() - before < 20_000_000


# The kit changes the first and the last letter of a file: both lie within a text here.
def test_jsonl_keeps_every_promise():
    path = jsonl('{"1": "the first, 分开"}', '{"1": "the second"}')
    check_corpus(Jsonl, path=path, text="1")


def test_jsonl_with_splits_keeps_every_promise():
    path = jsonl('{"1": "first", "2": "train"}', '{"1": "second", "2": "valid"}')
    check_corpus(Jsonl, path=path, text="1", split="2")


@pytest.mark.parametrize("options", [{}, {"split": "part"}])
def test_parquet_keeps_every_promise(options):
    path = parquet(text=["a", "b", "c"], part=["train", "train", "valid"])
    check_corpus(Parquet, path=path, **options)
