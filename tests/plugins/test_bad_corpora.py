"""What a user reads about a corpus that cannot be used: one line, an exit code, nothing written."""

from __future__ import annotations

import gzip
import json
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from seqlab_plugins.corpora.text_files import read_pieces

from seqlab import CorpusError, load_plugins, read_experiment
from seqlab.cli.main import call
from seqlab.data.preparation import prepare
from seqlab.registry import resolve_text

GOOD = "the quick brown fox jumps over the lazy dog. " * 40
LINE = json.dumps({"text": GOOD}).encode()


def some_parquet(**columns) -> bytes:
    table, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    writer.write_table(table.table(columns), "made.parquet")
    return Path("made.parquet").read_bytes()


REFUSED = {
    "missing": ({"name": "text", "path": "no.txt"}, b"", 4, "no.txt: there is no such file"),
    "truncated": (
        {"name": "text", "path": "a.gz"},
        gzip.compress(GOOD.encode())[:-9],
        4,
        "a.gz: is damaged",
    ),
    "encoding": ({"name": "text", "path": "a.txt"}, b"ab\xff", 4, "a.txt: is not utf-8 at byte 2"),
    "short": ({"name": "text", "path": "a.txt"}, b"abc", 4, "the corpus is too short: it has 3"),
    "hash": (
        {"name": "tiny_shakespeare", "path": "a.txt"},
        b"abc",
        4,
        "is not the published file",
    ),
    "field": ({"name": "jsonl", "path": "a.jsonl"}, b'{"a": 1}', 4, "a.jsonl:1: has no field"),
    "object": ({"name": "jsonl", "path": "a.jsonl"}, b"7", 4, "a.jsonl:1: should be an object"),
    "json": ({"name": "jsonl", "path": "a.jsonl"}, LINE[:-1], 4, "a.jsonl:1:1812: is not JSON"),
    "line": (
        {"name": "jsonl", "path": "a.jsonl", "max_line": 9},
        LINE,
        4,
        "a.jsonl:1: has more than 9 characters",
    ),
    "column": (
        {"name": "parquet", "path": "a.parquet"},
        lambda: some_parquet(body=["a"]),
        4,
        "a.parquet: has no column 'text'",
    ),
    "numbers": (
        {"name": "parquet", "path": "a.parquet"},
        lambda: some_parquet(text=[1]),
        4,
        "a.parquet: column 'text' is int64",
    ),
    "cut": (
        {"name": "parquet", "path": "a.parquet"},
        lambda: some_parquet(text=[GOOD])[:-9],
        4,
        "a.parquet: cannot be read as Parquet",
    ),
    "folder": ({"name": "folder", "path": "."}, b"", 4, "no file in it matches **/*.txt"),
    "bytes": ({"name": "tokens", "path": "a.bin"}, b"abc", 4, "not a multiple of 2"),
    "outside": (
        {"name": "tokens", "path": "a.bin", "dtype": "int16"},
        np.array([1, -1], "<i2").tobytes(),
        4,
        "a.bin: has the id -1 at position 1",
    ),
    "options": (
        {"name": "folder", "path": ".", "valid": ".", "by_name": True},
        b"",
        2,
        "leave out valid and test",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_said_in_one_line(case, tiny, capsys):
    corpus, content, code, message = REFUSED[case]
    Path("text.txt").unlink()
    if content:
        Path(corpus["path"]).write_bytes(content if isinstance(content, bytes) else content())
    ids = {"tokenizer": "ids"} if corpus["name"] == "tokens" else {}
    Path("experiment.yaml").write_text(json.dumps(tiny | ids | {"corpus": corpus}))
    assert call(["run", "experiment.yaml"]) == code
    printed = capsys.readouterr()
    _, *lines = printed.err.strip().splitlines()  # the first says what runs
    assert len(lines) == 1, printed.err
    assert message in lines[0]
    assert printed.out == ""
    assert not list(Path().glob("runs/*/*"))


def test_rare_words_without_a_token_for_them_are_an_impossible_option(tiny, capsys):
    words = {"tokenizer": {"name": "words", "min_count": 2}}
    Path("experiment.yaml").write_text(json.dumps(tiny | words))
    assert call(["run", "experiment.yaml"]) == 2
    assert "add `unknown: token`" in capsys.readouterr().err


@pytest.mark.parametrize("tokenizer", ["characters", "bytes", "words", "bpe"])
def test_nul_mixed_newlines_and_an_empty_document_train(tiny, tokenizer):
    texts = [GOOD + "\x00\r\n\r", "", GOOD]
    Path("a.jsonl").write_text("".join(json.dumps({"text": text}) + "\r\n" for text in texts))
    corpus = {"corpus": {"name": "jsonl", "path": "a.jsonl"}, "tokenizer": tokenizer}
    Path("experiment.yaml").write_text(json.dumps(tiny | corpus))
    assert call(["run", "experiment.yaml"]) == 0


def test_end_of_document_is_counted_whatever_else_is_set(tiny):
    rows = [{"text": text} for text in ("ab" * 40, "", "", "cd" * 40)]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tokenizer = {"name": "bytes", "end_of_document": True}
    counts = []
    for keys in ({}, {"max_characters": 10_000}):
        corpus = {"name": "jsonl", "path": "a.jsonl", **keys}
        experiment = read_experiment(tiny | {"corpus": corpus, "tokenizer": tokenizer})
        counts.append(len(prepare(resolve_text(experiment, load_plugins())).tokens))
    assert counts == [163, 163]


@pytest.mark.parametrize("kind", ["jsonl", "folder"])
def test_a_zip_of_several_files_is_advised_by_what_there_is(kind, tiny, capsys):
    Path("songs").mkdir()
    with zipfile.ZipFile("songs/a.zip", "w") as archive:
        archive.writestr("one", GOOD)
        archive.writestr("two", GOOD)
    where = {"path": "songs/a.zip"} if kind == "jsonl" else {"path": "songs", "match": "*.zip"}
    Path("experiment.yaml").write_text(json.dumps(tiny | {"corpus": {"name": kind, **where}}))
    assert call(["run", "experiment.yaml"]) == 4
    assert "needs `member: NAME` of `corpus: text`" in capsys.readouterr().err


def _bomb(name: str, packing: int) -> Path:
    with zipfile.ZipFile(name, "w", packing) as archive, archive.open("a.txt", "w") as member:
        for _ in range(200):
            member.write(b" " * (1 << 20))
    return Path(name)


PACKINGS = {"deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_unpacks_out_of_proportion_is_refused_before_memory_is_spent(packing, capsys):
    _bomb("a.zip", PACKINGS[packing])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert call(["corpus", "describe", "a.zip"]) == 4
    assert "decompresses to more than 200 times" in capsys.readouterr().err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kilobytes


def test_a_parquet_file_of_one_huge_value_is_refused_before_it_is_unpacked(capsys):
    table, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = table.table({"text": ["a" * (64 << 20)]})
    writer.write_table(rows, "a.parquet", compression="zstd", use_dictionary=False)
    assert call(["corpus", "describe", "a.parquet"]) == 4
    assert "decompresses to more than 200 times" in capsys.readouterr().err


def test_a_line_of_nothing_but_lists_is_refused_before_it_is_read(capsys):
    Path("a.jsonl").write_text('{"text": "a", "more": [' + "[]," * 1_100_000 + "[]]}")
    assert call(["corpus", "describe", "a.jsonl"]) == 4
    assert "lists and mappings, and hardly any text" in capsys.readouterr().err


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_member_of_any_packing_is_read_as_the_library_reads_it(packing):
    text = "".join(f"line {number} 分开\n" for number in range(200_000))
    with zipfile.ZipFile("a.zip", "w", PACKINGS[packing]) as archive:
        archive.writestr("a.txt", text)
    assert "".join(read_pieces(Path("a.zip"))) == text


@pytest.mark.parametrize("packing", ["bzip2", "lzma"])
def test_a_member_whose_bytes_changed_is_damaged(packing):
    with zipfile.ZipFile("a.zip", "w", PACKINGS[packing]) as archive:
        archive.writestr("a.txt", GOOD)
    data = bytearray(Path("a.zip").read_bytes())
    data[60] ^= 1
    Path("a.zip").write_bytes(data)
    with pytest.raises(CorpusError, match=r"its compression is not supported \(.+\)"):
        list(read_pieces(Path("a.zip")))


CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", CODECS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_no_text_whatever_the_encoding_is_called(encoding, packed):
    marked = "\ufeff" + "one day\n" * 9
    plain = encoding in ("utf-8-sig", "utf-16")  # these write a mark themselves
    data = (marked[1:] if plain else marked).encode(encoding)
    for name in ("a.txt", "b.txt"):
        Path(name).write_bytes(data)
    if packed:
        for name in ("a.txt", "b.txt"):
            Path(f"{name}.gz").write_bytes(gzip.compress(data))
    suffix = ".gz" if packed else ""
    for name in ("a.txt", "b.txt"):
        assert "".join(read_pieces(Path(name + suffix), encoding=encoding)) == marked[1:]
