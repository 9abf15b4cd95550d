"""What was prepared is kept, and made again when anything that it follows from is another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import seqlab
from seqlab import CorpusError, read_experiment
from seqlab.data import cache, cache_entries
from seqlab.data.preparation import prepare
from seqlab.errors import RunFailed
from seqlab.registry import resolve

CORPUS = '''
from pathlib import Path

from seqlab import CorpusError, hookimpl
from seqlab.data import cache_entries


class Told:
    """A file; each reading of it is written down."""

    splits = ("train",)

    def __init__(self, *, path: Path, broken: bool = False) -> None:
        self.files = [path]
        self._broken = broken

    def documents(self, split):
        yield self._read("d")
        if self._broken:
            raise CorpusError("the second document cannot be read")

    def fingerprint(self):
        return str(hash_of(self._read("f").encode()))

    def _read(self, what):
        with open("readings.txt", "a") as readings:
            readings.write(what)
        text = self.files[0].read_text("utf-8")
        if what == "d" and Path("clear.txt").exists():
            cache_entries.clear()
        change = Path("change.txt")
        if change.exists() and change.read_text() == Path("readings.txt").read_text():
            change.unlink()
            self.files[0].write_text("another text, and a longer one. " * 99)
        return text


def hash_of(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


@hookimpl
def seqlab_register_corpora():
    return {"told": Told}
'''


@pytest.fixture
def prepared(tiny, text_file, monkeypatch):
    """Prepare the text in a new process's eyes; say how often it was read."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)  # the files of a test are new
    Path("plugins").mkdir()
    Path("plugins/told.py").write_text(CORPUS, "utf-8")

    def prepared(tokenizer="characters", **corpus):
        section = {"name": "told", "path": str(text_file), **corpus}
        experiment = tiny | {"corpus": section, "tokenizer": tokenizer}
        Path("readings.txt").write_text("")
        result = prepare(resolve(read_experiment(experiment), seqlab.load_plugins()))
        return result, Path("readings.txt").read_text()

    return prepared


def text(result) -> str:
    tokenizer = result.tokenizer
    return b"".join(tokenizer.token_bytes(int(i)) for i in result.tokens.ids).decode()


def test_the_second_time_nothing_is_read(prepared):
    first, readings = prepared()
    assert sorted(readings) == ["d", "d", "f"]  # to fit and to encode
    again, readings = prepared()
    assert readings == ""
    assert np.array_equal(first.tokens.ids, again.tokens.ids)
    assert first.tokenizer.state_dict() == again.tokenizer.state_dict()


def test_a_changed_character_is_seen(prepared, text_file):
    prepared()
    text_file.write_text(text_file.read_text("utf-8").replace("fox", "cat", 1), "utf-8")
    result, readings = prepared()
    assert sorted(readings) == ["d", "d", "f"]
    assert text(result) == text_file.read_text("utf-8")


def test_a_file_that_was_touched_is_read_for_its_fingerprint_alone(prepared, text_file):
    prepared()
    os.utime(text_file, (1, 1))
    assert prepared()[1] == "f"


def test_a_file_changed_just_now_is_looked_at_again(prepared, text_file):
    now = time.time()
    os.utime(text_file, (now, now))
    prepared()
    assert prepared()[1] == "f"


@pytest.mark.parametrize(
    "change",
    [
        {"tokenizer": {"name": "characters", "unknown": "token"}},
        {"max_characters": 99},
        {"holdout": 0.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_the_tokens_follow_from_has_a_store_of_its_own(prepared, change):
    plain = len(prepared()[0].tokens)
    other, readings = prepared(**change)
    assert "d" in readings
    assert len(other.tokens) == {"max_characters": 99, "holdout": plain // 2}.get(
        next(iter(change)), plain
    )


def test_a_corpus_whose_source_was_changed_is_read_again(prepared):
    prepared()
    plugin = Path("plugins/told.py")
    plugin.write_text(plugin.read_text("utf-8") + "\n# another version\n", "utf-8")
    assert "d" in prepared()[1]


@pytest.mark.parametrize("name", ["ids.bin", "manifest.json", "checksums.bin", "documents.bin"])
def test_a_damaged_store_is_built_anew(prepared, name, text_file):
    prepared()
    ((folder, _),) = cache_entries.stores()
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 16
    (folder / name).write_bytes(data)
    result, _ = prepared()
    assert result.tokens.documents.tolist() == [0]
    assert text(result) == text_file.read_text("utf-8")


def test_a_vocabulary_may_hold_half_a_surrogate():
    result = [cache.cached_state("k", lambda: {"words": ["\ud800", "猫"]}) for _ in range(2)]
    assert result == [({"words": ["\ud800", "猫"]}, False), ({"words": ["\ud800", "猫"]}, True)]


def test_a_damaged_vocabulary_is_learnt_anew(prepared):
    first, _ = prepared()
    (file,) = (cache.cache_folder() / "vocabularies").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    again, readings = prepared()
    assert readings == "d"
    assert again.tokenizer.state_dict() == first.tokenizer.state_dict()


def test_a_corpus_that_fails_half_way_leaves_no_store(prepared):
    with pytest.raises(CorpusError, match="the second document cannot be read"):
        prepared(broken=True)
    assert list(cache_entries.stores()) == []


def test_a_full_disk_leaves_no_store_and_is_told_in_one_line(prepared, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFailed, match=r"cannot be written \(No space left on device\)"):
        prepared()
    left = [path for path in cache.cache_folder().rglob("*") if path.is_file()]
    assert [path for path in left if path.suffix != ".lock"] == []


def test_where_nothing_can_be_kept_the_run_goes_on(prepared, monkeypatch, caplog, text_file):
    Path("a-file").touch()
    monkeypatch.setenv("SEQLAB_CACHE", "a-file/cache")
    result, _ = prepared()
    assert text(result) == text_file.read_text("utf-8")
    assert "a-file/cache: cannot be written" in caplog.text


def test_what_is_cleared_goes_on_for_those_who_use_it(prepared, text_file):
    result, _ = prepared()
    cache_entries.clear()
    assert list(cache_entries.stores()) == []
    assert text(result) == text_file.read_text("utf-8")
    assert "d" in prepared()[1]


@pytest.mark.parametrize("reading", ["f", "fd", "fdd"])
def test_of_a_file_that_changes_while_it_is_read_nothing_is_kept(prepared, text_file, reading):
    Path("change.txt").write_text(reading)  # for its fingerprint, to fit, or to encode
    with pytest.raises(CorpusError, match=r"text\.txt: changed while it was read; run again"):
        prepared()
    assert list(cache_entries.stores()) == []
    result, readings = prepared()
    assert readings == "fdd"
    assert text(result) == text_file.read_text("utf-8")


def test_a_damaged_store_can_be_cleared(prepared):
    prepared()
    ((folder, _),) = cache_entries.stores()
    (folder / "manifest.json").write_text("[]")
    removed, refusals = cache_entries.clear()
    assert removed > 2016
    assert refusals == []
    assert not folder.exists()


def test_what_cannot_be_removed_is_told_and_not_counted(prepared, monkeypatch):
    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    def refused_if_new(path, flags, *rest, **options):
        return refused() if flags & os.O_CREAT else opened(path, flags, *rest, **options)

    prepared()
    opened = os.open
    there = sorted(cache.cache_folder().rglob("*"))
    monkeypatch.setattr(os, "open", refused_if_new)
    monkeypatch.setattr(Path, "rename", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    removed, refusals = cache_entries.clear()
    assert removed == 0
    assert [str(refusal.filename).split("/")[-2] for refusal in refusals] == [
        "tokens",
        "vocabularies",
        "fingerprints",
    ]
    assert sorted(cache.cache_folder().rglob("*")) == there


def test_a_folder_that_keeps_its_name_keeps_its_files(prepared, monkeypatch):
    def refused(*_):
        raise OSError(1, "Operation not permitted")

    prepared()
    there = sorted(cache.cache_folder().rglob("tokens/*/*"))
    monkeypatch.setattr(Path, "rename", refused)
    refusals = cache_entries.clear()[1]
    assert "tokens" in str(refusals[0].filename)
    assert sorted(cache.cache_folder().rglob("tokens/*/*")) == there


def test_what_is_being_built_is_left_alone(prepared, text_file):
    Path("clear.txt").touch()
    result, _ = prepared()
    assert text(result) == text_file.read_text("utf-8")
    assert len(list(cache_entries.stores())) == 1


def test_of_two_processes_one_builds(tiny, text_file):
    Path("plugins").mkdir()
    slow = CORPUS.replace("yield self", "import time; time.sleep(1.5); yield self")
    Path("plugins/told.py").write_text(slow, "utf-8")
    script = f"""
import seqlab
from seqlab import read_experiment
from seqlab.data.preparation import prepare
from seqlab.registry import resolve
tiny = {tiny | {"corpus": {"name": "told", "path": str(text_file)}, "tokenizer": "characters"}!r}
vocabulary = {{"characters": [ord(c) for c in sorted(set({text_file.read_text("utf-8")!r}))]}}
resolved = resolve(read_experiment(tiny), seqlab.load_plugins())
tokenizer = resolved.tokenizer.build()
tokenizer.load_state_dict(vocabulary)
found = prepare(resolved, tokenizer)
print(len(found.tokens))
"""
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == ["2016", "2016"]
    assert Path("readings.txt").read_text().count("d") == 1


FOREIGN = [
    "tokens/beach/p.jpg",
    "tokens/0123456789abcdef0123456789abcdef/p.jpg",
    "tokens/.photos.0123456789abcdef.tmp/p.jpg",
    "vocabularies/a.safetensors",
    "vocabularies/0123456789abcdef0123456789abcdef.safetensors",
    "fingerprints/diary.txt",
    "fingerprints/0123456789abcdef0123456789abcdef",
    "signatures/list.json",
    "signatures/0123456789abcdef0123456789abcdef",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_what_seqlab_did_not_make_is_never_cleared(prepared, name):
    mine = cache.cache_folder() / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine\nand mine\n")
    prepared()
    cache_entries.clear()
    assert mine.read_text() == "mine\nand mine\n"
    assert list(cache_entries.stores()) == []


@pytest.mark.parametrize("name", ["tokens", "tokens/{key}", "tokens/{key}/ids.bin"])
def test_no_link_in_a_cache_is_followed(prepared, name, text_file):
    prepared()
    ((folder, _),) = cache_entries.stores()
    path = cache.cache_folder() / name.format(key=folder.name)
    path.rename("moved")
    path.symlink_to(Path("moved").absolute())
    before = sorted(Path("moved").rglob("*"))
    with suppress(RunFailed):  # told, or made elsewhere
        assert text(prepared()[0]) == text_file.read_text("utf-8")
    cache_entries.clear()
    assert sorted(Path("moved").rglob("*")) == before
    assert Path("moved").exists()
