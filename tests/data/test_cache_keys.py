"""Each thing that prepared text follows from is changed by itself, and the new text is seen."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

import seqlab
from seqlab import packing, read_experiment
from seqlab.data import cache, cache_entries
from seqlab.data.preparation import prepare
from seqlab.registry import resolve, source_hashes

FILES = {
    "cleaned/__init__.py": "",
    "cleaned/corpus.py": """
        import hashlib
        from dataclasses import dataclass
        from pathlib import Path
        from seqlab import hookimpl
        from cleaned.parse import clean
        import unversioned

        @dataclass(frozen=True)
        class Also:
            path: Path

        class Cleaned:
            splits = ("train",)

            def __init__(self, *, path: Path, upper: bool = False):
                self.files = [path]
                self._upper = upper

            def documents(self, split):
                text = unversioned.more(clean(self.files[0].read_text()))
                yield text.upper() if self._upper else text

            def fingerprint(self):
                return hashlib.sha256(self.files[0].read_bytes()).hexdigest()

        class Alphabet:
            end_of_document = None

            def __init__(self, *, path: Path, also: Also | None = None, name_of: str = ""):
                places = [path, *([also.path] if also else []), *([name_of] if name_of else [])]
                self._letters = "".join(Path(place).read_text().strip() for place in places)
                self._letters += (Path(__file__).parent / "extra.txt").read_text().strip()

            size = property(lambda self: len(self._letters))

            def fit(self, documents):
                pass

            def encode(self, text):
                import numpy as np
                return np.array([max(self._letters.find(c), 0) for c in text])

            def token_bytes(self, token):
                return self._letters[token].encode()

            def state_dict(self):
                return {"letters": self._letters}

            def load_state_dict(self, state):
                self._letters = state["letters"]

        @hookimpl
        def seqlab_register_corpora():
            return {"cleaned": Cleaned}

        @hookimpl
        def seqlab_register_tokenizers():
            return {"alphabet": Alphabet}
    """,
    "cleaned/parse.py": "def clean(text):\n    return text\n",
    "cleaned/extra.txt": "",
    "unversioned.py": "def more(text):\n    return text\n",
    "cleaned-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: cleaned\nVersion: 1\n",
    "cleaned-1.dist-info/entry_points.txt": "[seqlab]\ncleaned = cleaned.corpus\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of a corpus and a tokenizer; it imports a module that has no version."""
    site = tmp_path / "site"
    for name, content in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(dedent(content))
    monkeypatch.syspath_prepend(site)
    yield site
    _forget()


def _forget():
    for name in list(sys.modules):
        if name.partition(".")[0] in ("cleaned", "unversioned"):
            del sys.modules[name]


@pytest.fixture
def seen(tiny, package, monkeypatch):
    """Prepare the text as a new process would; return it as its tokenizer spells it."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)  # the files of a test are new
    Path("text.txt").write_text("abcabc")
    Path("letters.txt").write_text("abcABC")
    Path("more.txt").write_text("")

    def seen(corpus=(), tokenizer=()):
        _forget()
        importlib.invalidate_caches()
        shutil.rmtree(package / "cleaned/__pycache__", ignore_errors=True)
        shutil.rmtree(package / "__pycache__", ignore_errors=True)
        sections = {
            "corpus": {"name": "cleaned", "path": "text.txt", **dict(corpus)},
            "tokenizer": {"name": "alphabet", "path": "letters.txt", **dict(tokenizer)},
        }
        result = prepare(resolve(read_experiment(tiny | sections), seqlab.load_plugins()))
        return b"".join(map(result.tokenizer.token_bytes, result.tokens.ids.tolist())).decode()

    return seen


def test_what_did_not_change_is_taken_from_the_cache(seen):
    assert seen() == seen() == "abcabc"
    assert len(list(cache_entries.stores())) == 1


def test_a_text_of_the_same_size_and_time_is_another(seen):
    seen()
    at = Path("text.txt").stat()
    Path("new.txt").write_text("cbacba")
    os.utime("new.txt", ns=(at.st_atime_ns, at.st_mtime_ns))
    Path("new.txt").replace("text.txt")
    assert seen() == "cbacba"


def test_a_text_rewritten_in_place_with_its_old_time_is_another(seen):
    seen()
    at = Path("text.txt").stat()
    Path("text.txt").write_text("cbacba")
    os.utime("text.txt", ns=(at.st_atime_ns, at.st_mtime_ns))
    assert seen() == "cbacba"


def test_a_link_that_leads_to_another_text_of_the_same_size_and_time_is_seen(seen):
    for name, text in (("one.txt", "abcabc"), ("two.txt", "cbacba")):
        Path(name).write_text(text)
        os.utime(name, (1, 1))
    Path("link.txt").symlink_to("one.txt")
    assert seen({"path": "link.txt"}) == "abcabc"
    Path("link.txt").unlink()
    Path("link.txt").symlink_to("two.txt")
    assert seen({"path": "link.txt"}) == "cbacba"


def test_an_option_of_the_corpus(seen):
    assert seen() == "abcabc"
    assert seen({"upper": True}) == "ABCABC"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("cleaned/parse.py", "def clean(text):\n    return text.upper()\n"),
        ("unversioned.py", "def more(text):\n    return text.upper()\n"),
    ],
)
def test_a_module_that_the_component_imports(seen, package, file, source):
    assert seen() == "abcabc"
    (package / file).write_text(source)
    assert seen() == "ABCABC"


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ({}, "letters.txt"),
        ({"also": {"path": "more.txt"}}, "more.txt"),
        ({"name_of": "more.txt"}, "more.txt"),
    ],
    ids=["a path", "a path in a mapping", "a text that names a file"],
)
def test_a_file_that_an_option_of_the_tokenizer_names(seen, options, file):
    def size():
        seen(tokenizer=options)
        stores = list(cache_entries.stores())
        return max(manifest["tokens"] for _, manifest in stores), len(stores)

    before = size()
    Path(file).write_text("xyz" + Path(file).read_text())
    assert size()[1] == before[1] + 1


def test_a_file_in_the_tokenizers_package(seen, package):
    seen()
    (package / "cleaned/extra.txt").write_text("d")
    seen()
    assert len(list(cache_entries.stores())) == 2


@pytest.fixture
def new_process():
    """Forget what a process asks once, the versions of libraries and of the core."""

    def new_process():
        source_hashes.library_version.cache_clear()
        cache.core.cache_clear()

    yield new_process
    new_process()


def test_the_version_of_a_library(seen, package, new_process):
    seen()
    info = package / "numpy-99.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 99\n")
    new_process()
    seen()
    assert len(list(cache_entries.stores())) == 2


def test_what_the_core_cuts(seen, monkeypatch, new_process):
    seen()
    source = Path(packing.__file__).read_text("utf-8")
    Path("packing.py").write_text(source + "# another version\n", "utf-8")
    monkeypatch.setattr(packing, "__file__", "packing.py")
    new_process()
    seen()
    assert len(list(cache_entries.stores())) == 2


def test_the_tables_of_python(seen, monkeypatch, new_process):
    seen()
    monkeypatch.setattr(platform, "python_version", lambda: "4.0")
    new_process()
    seen()
    assert len(list(cache_entries.stores())) == 2


def test_what_changed_since_it_was_imported_is_not_kept(package):
    registry = seqlab.load_plugins()
    (package / "cleaned/parse.py").write_text("def clean(text):\n    return text.upper()\n")
    assert registry.find("corpus", "cleaned").dependencies().known is False


def test_the_hash_of_a_run_covers_modules_that_are_not_loaded(package):
    def source_hash():
        _forget()
        return seqlab.load_plugins().plugin("cleaned").source_hash()

    before = source_hash()
    (package / "cleaned/later.py").write_text("x = 1\n")
    assert source_hash() != before


def test_the_families_of_a_package_of_several_plugins_are_told_apart(registry):
    made = registry.find("cell", "gru").dependencies()
    assert {
        "cells/recurrent.py",
        "kernels/windows.py",
        "kernels/numba_loops.py",
    } <= made.code.keys()
    assert not any(name.startswith("tokenizers") for name in made.code)
    assert "tokenizers/words.py" not in registry.find("tokenizer", "bpe").dependencies().code
    assert "tokenizers" in registry.find("tokenizer", "bpe").dependencies().libraries


def test_a_run_whose_helper_module_changed_says_so_when_it_goes_on(seen, package, tiny, caplog):
    def registry():
        _forget()
        return seqlab.load_plugins()

    corpus = {"corpus": {"name": "cleaned", "path": "text.txt"}}
    Path("text.txt").write_text("abc" * 99)
    train = {"train": {"steps": 2}}
    run = seqlab.run(tiny | corpus | train, run_dir="r", registry=registry())
    (package / "cleaned/parse.py").write_text("def clean(text):\n    return text + '!'\n")
    again = registry()
    assert again.plugin("cleaned").source_hash() != run.description["plugins"][0]["source_sha256"]
    with pytest.raises(seqlab.SeqlabError):  # its text has what the vocabulary lacks
        seqlab.resume(run.path, overrides=["train.steps=4"], registry=again)
    (package / "cleaned/parse.py").write_text("def clean(text):\n    return text  # as before\n")
    seqlab.resume(run.path, overrides=["train.steps=4"], registry=registry())
    assert "The source has changed: plugin 'cleaned'" in caplog.text


def test_a_library_that_is_being_worked_on_counts_by_its_code(seen, package):
    info = package / "unversioned-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unversioned\nVersion: 1\n")
    (info / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    assert seen() == "abcabc"
    (package / "unversioned.py").write_text("def more(text):\n    return text.upper()\n")
    assert seen() == "ABCABC"


def test_a_file_from_the_future_is_kept_all_the_same(seen, package):
    os.utime(package / "cleaned/parse.py", (2**32, 2**32))
    seen()
    seen()
    assert len(list(cache_entries.stores())) == 1
