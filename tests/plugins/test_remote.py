"""Corpora of files elsewhere: read once, kept under their mark, and without any password."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from seqlab_plugins.corpora.delimited import Csv
from seqlab_plugins.corpora.parquet_files import Parquet
from seqlab_plugins.corpora.records import Jsonl
from seqlab_plugins.corpora.text import Text
from seqlab_plugins.corpora.token_files import Binary, TokenFiles

import seqlab
from seqlab import CorpusError, CorpusUnavailable, ExperimentError, read_experiment
from seqlab.cli.main import call
from seqlab.data import cache_entries
from seqlab.registry import resolve_text
from seqlab.testing import check_corpus
from tests.plugins.file_server import FileServer, serving, without_mark

fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
pytest.importorskip("aiohttp", reason="needs aiohttp, of the extra `remote`")

TEXT = "the quick brown fox jumps over the lazy dog, and so on. " * 36
SECRETS = ("hunter2", "s3cr3t")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.files["/a.txt"] = TEXT.encode()
        yield server


@pytest.fixture
def elsewhere(tiny, server) -> dict:
    """The tiny experiment on a text of the server."""
    return tiny | {"corpus": {"name": "text", "path": server.url("/a.txt")}}


def texts(corpus: object, split: str = "train") -> list[str]:
    return [d if isinstance(d, str) else "".join(d) for d in corpus.documents(split)]


def refusal(**options: object) -> str:
    with pytest.raises(CorpusError) as caught:
        Text(**options)
    return str(caught.value)


def complaint(corpus: dict, registry: seqlab.Registry) -> str:
    with pytest.raises(ExperimentError) as caught:
        resolve_text(read_experiment({"corpus": corpus}), registry)
    return str(caught.value)


def test_a_text_is_downloaded_once_for_all_runs(elsewhere, server):
    first = seqlab.run(elsewhere, run_dir="one")
    assert server.got() == ["/a.txt"]
    second = seqlab.run(elsewhere, run_dir="two")
    assert server.got() == []
    assert first.metrics[-1]["loss"] == second.metrics[-1]["loss"]


def test_a_text_elsewhere_has_the_fingerprint_of_the_same_text_here(server):
    Path("a.txt").write_text(TEXT, "utf-8")
    here, there = Text(path=Path("a.txt")), Text(path=server.url("/a.txt"))
    assert texts(there) == texts(here)
    assert there.fingerprint() == here.fingerprint()


def test_a_run_is_resumed_without_a_download_and_not_with_another_text(elsewhere, server):
    seqlab.run(elsewhere, run_dir="one")
    server.got()
    seqlab.resume("one", overrides=["train.epochs=2"])
    assert server.got() == []
    server.files["/a.txt"] = TEXT.replace("fox", "cat").encode()
    with pytest.raises(CorpusError, match="another text than the run was begun with"):
        seqlab.resume("one", overrides=["train.epochs=3"])


def test_another_etag_of_the_same_text_is_the_same_text(elsewhere, server):
    seqlab.run(elsewhere, run_dir="one")
    server.headers = lambda content: {"ETag": '"another"'}
    assert seqlab.resume("one", overrides=["train.epochs=2"]).metrics[-1]["epoch"] == 2
    assert server.got() == ["/a.txt"] * 2


def test_size_and_time_stand_in_for_an_etag(server):
    server.headers = lambda content: {"Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}
    Text(path=server.url("/a.txt"))
    Text(path=server.url("/a.txt"))
    assert server.got() == ["/a.txt"]
    server.headers = lambda content: {"Last-Modified": "Wed, 21 Oct 2026 07:28:01 GMT"}
    Text(path=server.url("/a.txt"))
    assert server.got() == ["/a.txt"]


def test_a_file_without_a_mark_is_downloaded_anew_each_time(elsewhere, server):
    server.headers = without_mark
    seqlab.run(elsewhere, run_dir="one")
    assert server.got() == ["/a.txt"]
    server.files["/a.txt"] = b"another text, and not a long one. " * 40
    assert texts(Text(path=server.url("/a.txt"))) == ["another text, and not a long one. " * 40]


def test_a_file_that_changes_while_it_is_read_is_refused(server):
    def change() -> None:
        server.files["/a.txt"] = b"another text"

    server.after_get = change
    message = f"{server.url('/a.txt')}: changed while it was read; run again"
    assert refusal(path=server.url("/a.txt")) == message
    server.after_get = lambda: None
    assert texts(Text(path=server.url("/a.txt"))) == ["another text"]


def test_every_corpus_of_files_reads_urls(server):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": ["one", "two"]}), "some.parquet")
    Path("plain.txt").write_text("two")
    np.save("ids.npy", np.array([1, 2, 3], dtype=np.uint16))
    server.files |= {
        "/some.parquet": Path("some.parquet").read_bytes(),
        "/ids.npy": Path("ids.npy").read_bytes(),
        "/raw.bin": b"\1\0\2\0",
        "/a.jsonl": b'{"text": "one"}\n{"text": "two"}\n',
        "/a.tsv": b"text\tn\none\t1\ntwo\t2\n",
        "/a.txt.gz": gzip.compress(b"one"),
    }
    url = server.url
    assert texts(Parquet(path=url("/some.parquet"))) == ["one", "two"]
    assert texts(Jsonl(path=url("/a.jsonl"))) == ["one", "two"]
    assert texts(Csv(path=url("/a.tsv"))) == ["one", "two"]
    assert texts(Text(path=[url("/a.txt.gz"), Path("plain.txt")], encoding="latin-1"))[0] == "one"
    (ids,) = TokenFiles(path=url("/ids.npy")).documents("train")
    assert ids.ids.tolist() == [1, 2, 3]
    (ids,) = TokenFiles(path=url("/raw.bin")).documents("train")
    assert ids.ids.tolist() == [1, 2]
    (ids,) = Binary(path=url("/raw.bin")).documents("train")
    assert ids.ids.tolist() == [1, 0, 2, 0]


def test_a_pattern_elsewhere_is_read_in_order_and_offline_as_it_was(monkeypatch):
    files = fsspec.filesystem("memory")
    files.pipe({"/parts/b.txt": b"second", "/parts/a.txt": b"first", "/parts/c.md": b"no"})
    corpus = Text(path="memory://parts/*.txt", valid="memory://parts/c.md")
    assert (texts(corpus), texts(corpus, "valid")) == (["first", "second"], ["no"])
    assert refusal(path="memory://parts/*.csv") == "memory://parts/*.csv: matches no file"
    assert "is a folder; write memory://parts/*.txt" in refusal(path="memory://parts")
    monkeypatch.setenv("SEQLAB_OFFLINE", "1")
    files.rm("/parts", recursive=True)
    assert texts(Text(path="memory://parts/*.txt")) == ["first", "second"]


def test_a_file_url_is_a_file_here(tiny):
    Path("with space.txt").write_text("here", "utf-8")
    url = Path("with space.txt").absolute().as_uri()
    assert texts(Text(path=url)) == ["here"]
    assert Text(path=url).files == [Path("with space.txt").absolute()]


def test_a_url_of_a_trained_file_is_held_out_where_another_split_has_it(server):
    server.files["/b.txt"] = b"the valid text"
    urls = [server.url("/a.txt"), server.url("/b.txt")]
    corpus = Text(path=urls, valid=urls[1])
    assert texts(corpus) == [TEXT]
    assert list(map(str, corpus.held_out)) == urls[1:]


def test_a_missing_file_can_have_a_stand_in(elsewhere, server):
    message = refusal(path=server.url("/none.txt"))
    assert message == f"{server.url('/none.txt')}: there is no such file"
    elsewhere["corpus"] |= {"path": server.url("/none.txt"), "if_unavailable": "original_lyrics"}
    seqlab.run(elsewhere, run_dir="one", overrides=["corpus.max_characters=500"])
    corpus = json.loads(Path("one/run.json").read_text("utf-8"))["corpus"]
    assert (corpus["name"], corpus["stand_in"]) == ("original_lyrics", True)


def test_a_server_that_refuses_is_told_without_the_address_that_it_leads_to(server):
    server.status = 403
    message = refusal(path=server.url("/a.txt"))
    assert "cannot be reached (403 Forbidden); a login comes from ~/.netrc (https)" in message
    server.status, server.location = 307, f"http://127.0.0.1:9/b?X-Amz-Signature={SECRETS[0]}"
    assert "cannot be reached" in refusal(path=server.url("/a.txt"))
    assert SECRETS[0] not in refusal(path=server.url("/a.txt"))


def test_without_a_network_the_error_says_how_the_copy_is_read(server, monkeypatch):
    url = server.url("/a.txt")
    Text(path=url)
    server.status = 503
    message = f"{url}: cannot be reached (503 Service Unavailable); with SEQLAB_OFFLINE=1 "
    assert refusal(path=url).startswith(message)
    monkeypatch.setenv("SEQLAB_OFFLINE", "1")
    assert texts(Text(path=url)) == [TEXT]
    other = refusal(path=server.url("/b.txt"))
    assert other.endswith(
        "has no copy in the cache, and SEQLAB_OFFLINE is set, so nothing is downloaded"
    )


def test_validating_downloads_nothing(elsewhere, server, capsys):
    Path("e.yaml").write_text(json.dumps(elsewhere), "utf-8")
    assert call(["validate", "e.yaml"]) == 0
    assert server.asked == []
    assert "not here yet" in capsys.readouterr().err


def test_a_copy_that_is_damaged_is_downloaded_again(server):
    (copy,) = Text(path=server.url("/a.txt")).files
    real = Path(copy.__fspath__())
    real.write_bytes(b"x" * len(TEXT))
    assert texts(Text(path=server.url("/a.txt"))) == [TEXT]
    real.write_bytes(b"cut")
    assert texts(Text(path=server.url("/a.txt"))) == [TEXT]
    assert server.got() == ["/a.txt"] * 3


def test_the_cache_tells_how_much_copies_take(server, capsys):
    Text(path=server.url("/a.txt"))
    assert call(["corpus", "cache"]) == 0
    assert "Copies of files elsewhere: 1, 2." in capsys.readouterr().err


def test_clearing_the_cache_removes_the_copies(server):
    (copy,) = Text(path=server.url("/a.txt")).files
    removed, refusals = cache_entries.clear()
    assert removed > len(TEXT)
    assert not refusals
    assert not copy.exists()


def test_an_error_in_a_file_elsewhere_names_its_url(server):
    server.files |= {"/a.jsonl": b'{"body": "one"}\n', "/b.txt": b"\xff\xff"}
    with pytest.raises(CorpusError, match="has no field 'text'") as caught:
        texts(Jsonl(path=server.url("/a.jsonl")))
    assert str(caught.value).startswith(f"{server.url('/a.jsonl')}:1: ")
    with pytest.raises(CorpusError, match="is not utf-8 at byte 0") as caught:
        texts(Text(path=server.url("/b.txt")))
    assert str(caught.value).startswith(f"{server.url('/b.txt')}: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@example.org/a.txt",
        "https://hunter2@example.org/a.txt",
        "s3://key:hunter2@bucket/a.txt",
        "https://example.org/a.txt?download=1&access_token=hunter2",
        "https://example.org/a.txt?X-Amz-Credential=a&X-Amz-Signature=hunter2",
        "https://account.blob.core.windows.net/texts/a.txt?sv=2026&sig=hunter2",
    ],
)
@pytest.mark.parametrize("name", ["text", "jsonl", "folder"])
def test_a_url_with_a_password_is_refused_and_not_repeated(name, url, registry):
    message = complaint({"name": name, "path": url}, registry)
    assert "should be a URL without a password, key or token" in message
    assert "AWS_PROFILE" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url",
    ["https://zenodo.org/a.txt?download=1", "github://org:repo@main/a.txt", "sftp://me@host/a"],
)
def test_a_url_without_a_password_is_taken(url, registry):
    text = resolve_text(read_experiment({"corpus": {"name": "text", "path": url}}), registry)
    assert text.corpus.options["path"] == url


def test_a_login_of_fsspec_is_used_and_written_nowhere(elsewhere, server, monkeypatch):
    from fsspec.config import conf

    login = f"Bearer {SECRETS[1]}"
    monkeypatch.setitem(conf, "http", {"client_kwargs": {"headers": {"Authorization": login}}})
    seqlab.run(elsewhere, run_dir="one")
    assert server.logins == {login}
    written = b"".join(p.read_bytes() for p in Path("one").rglob("*") if p.is_file())
    assert server.url("/a.txt").encode() in written
    assert SECRETS[1].encode() not in written


def test_a_login_of_netrc_goes_to_its_own_server(server, monkeypatch):
    monkeypatch.setenv("NETRC", "netrc")
    Path("netrc").write_text(
        "machine 127.0.0.1 login me password pw\nmachine other login a password b"
    )
    Text(path=server.url("/a.txt"))
    assert server.logins == {"Basic bWU6cHc="}
    server.logins.clear()
    Text(path=server.url("/a.txt").replace("127.0.0.1", "localhost"))
    assert server.logins == {None}


def test_a_text_elsewhere_keeps_every_promise(server):
    check_corpus(Text, path=server.url("/a.txt"))


def test_a_folder_elsewhere_is_refused_with_what_to_do(registry):
    message = complaint({"name": "folder", "path": "s3://bucket/texts"}, registry)
    assert (
        "corpus.path: should be a folder on this machine; of files elsewhere, `corpus: text`"
        in message
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/a.txt", "s3:// needs a package: pip install s3fs"),
        ("gs://bucket/a.txt", "gs:// needs a package: pip install gcsfs"),
        ("nonsense://a.txt", "fsspec knows no such scheme"),
        ("zip://a.txt::https://example.org/a.zip", "URLs in URLs (::) are not read"),
    ],
)
def test_a_scheme_that_cannot_be_read_is_told_with_what_is_missing(url, message, monkeypatch):
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match="://") as caught:
        Text(path=url)
    assert str(caught.value) == f"{url}: {message}" or message in str(caught.value)


def test_a_missing_package_for_the_web_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ValueError, match=r"pip install 'seqlab\[remote\]'"):
        Text(path="https://example.org/a.txt")


def test_what_is_unavailable_is_a_kind_of_its_own(server):
    with pytest.raises(CorpusUnavailable):
        Text(path=server.url("/none.txt"))


def test_the_command_describes_and_scores_a_url(server, make_run, capsys):
    server.files["/b.jsonl"] = b'{"text": "one"}\n{"text": "two"}\n'
    assert call(["corpus", "describe", server.url("/b.jsonl"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["corpus"], facts["documents"], facts["characters"]) == ("jsonl", 2, 6)
    make_run("runs/fox")
    assert call(["eval", "fox", "--text", server.url("/a.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == len(TEXT) - 1
