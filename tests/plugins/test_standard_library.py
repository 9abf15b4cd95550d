"""Python's own sources: which files, in which order and split, and how they are read."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import pytest

from seqlab import CorpusError, CorpusUnavailable

LIBRARY = {
    "abc.py": b"one\r\ntwo\r",
    "json/__init__.py": b"import abc\n",
    "Zoo.py": b"zoo\n",
    "latin.py": b"# -*- coding: latin-1 -*-\n'\xe9'\n",
    "marked.py": b"\xef\xbb\xbfmarked\n",
    "empty.py": b"",
    "wrong.py": b"'\xff'\n",
    "strange.py": b"# coding: no-such-encoding\n",
    "notes.txt": b"no module\n",
    "test/test_abc.py": b"a test\n",
    "json/tests/test_json.py": b"another test\n",
    "idlelib/idle_test/test_idle.py": b"a third\n",
    "site-packages/seqlab.py": b"not the library's\n",
    "dist-packages/seqlab.py": b"not the library's\n",
    "__pycache__/abc.py": b"not a source\n",
}
OURS = ["zoo\n", "one\ntwo\n", "import abc\n", "# -*- coding: latin-1 -*-\n'é'\n", "marked\n"]
NOTHING_HELD_OUT = {"valid": 0.0, "test": 0.0}


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def library(tmp_path, monkeypatch) -> Path:
    """The folder of a small standard library, which is found in the place of the real one."""
    folder = tmp_path / "library"
    write(folder, LIBRARY)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(folder))
    return folder


@pytest.fixture
def make(registry):
    return registry.find("corpus", "standard_library").factory


def texts(corpus, split="train") -> list[str]:
    return list(corpus.documents(split))


def everything(corpus) -> list[list[str]]:
    return [texts(corpus, split) for split in ("train", "valid", "test")]


def test_the_documents_are_the_modules_in_the_order_of_their_paths(library, make):
    assert texts(make(**NOTHING_HELD_OUT)) == OURS


def test_the_librarys_own_tests_come_too_if_wanted(library, make):
    more = set(texts(make(with_tests=True, **NOTHING_HELD_OUT)))
    assert more - set(OURS) == {"a test\n", "another test\n", "a third\n"}


@pytest.mark.parametrize("name", ["latin.py", "marked.py"])
def test_a_file_is_read_by_the_encoding_that_it_declares(library, make, name):
    for other in LIBRARY:
        if other != name:
            (library / other).unlink()
    (text,) = texts(make(**NOTHING_HELD_OUT))
    assert text in OURS
    assert "\ufeff" not in text


def test_every_module_is_in_exactly_one_split(library, make):
    write(library, {f"module_{number}.py": b"%d" % number for number in range(200)})
    splits = everything(make(valid=0.3, test=0.2))
    assert sorted(chain(*splits)) == sorted([*OURS, *map(str, range(200))])
    assert [len(split) / 205 for split in splits] == pytest.approx([0.5, 0.3, 0.2], abs=0.1)


def test_a_module_stays_in_its_split_whatever_else_there_is(library, make):
    write(library, {f"module_{number}.py": b"%d" % number for number in range(50)})
    before = everything(make())
    write(library, {f"more_{number}.py": b"more" for number in range(50)})
    after = [[text for text in split if text != "more"] for split in everything(make())]
    assert after == before


def test_shares_that_leave_nothing_to_train_on_are_refused(library, make):
    with pytest.raises(ValueError, match="leave nothing to train on"):
        make(valid=0.5, test=0.5)


def test_the_fingerprint_does_not_depend_on_where_the_library_lies(
    library, make, monkeypatch, tmp_path
):
    before = make().fingerprint()
    library.rename(tmp_path / "elsewhere")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "elsewhere"))
    assert make().fingerprint() == before


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"abc.py": b"three\n"}, {}),
        ({"another.py": b"another\n"}, {}),
        ({}, {"with_tests": True}),
        ({}, {"valid": 0.6}),
    ],
)
def test_the_fingerprint_changes_with_the_text_and_the_splits(library, make, change, options):
    before = make().fingerprint()
    write(library, change)
    assert make(**options).fingerprint() != before


def test_what_is_no_document_does_not_change_the_fingerprint(library, make):
    before = make().fingerprint()
    for name in ("empty.py", "wrong.py", "strange.py", "notes.txt", "site-packages/seqlab.py"):
        (library / name).unlink()
    assert make().fingerprint() == before


def test_a_python_without_sources_has_no_such_corpus(library, make):
    for name in LIBRARY:
        (library / name).unlink()
    write(library, {"abc.pyc": b"compiled", "site-packages/seqlab.py": b"not the library's"})
    with pytest.raises(CorpusUnavailable, match="without the sources"):
        make().fingerprint()


def test_a_library_that_is_no_folder_has_no_such_corpus(make, monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "python.zip"))
    with pytest.raises(CorpusUnavailable, match=r"python\.zip: cannot be read"):
        make().fingerprint()


def test_a_file_that_is_gone_is_an_error_and_is_not_left_out(library, make):
    documents = make(**NOTHING_HELD_OUT).documents("train")
    next(documents)
    (library / "json/__init__.py").unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        list(documents)


def test_a_folder_that_may_not_be_read_is_an_error_and_is_not_left_out(make, library, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(
        CorpusError, match=r"library: cannot be read \(Permission denied\)"
    ) as caught:
        make().fingerprint()
    assert not isinstance(caught.value, CorpusUnavailable)


def test_the_real_library_streams_its_own_first_modules(make):
    first, *rest = islice(make(**NOTHING_HELD_OUT).documents("train"), 5)
    assert first.startswith('"""Record of phased-in incompatible language changes.')
    assert all(rest)


def test_a_split_without_a_share_is_not_there(library, make):
    assert make(valid=0.0).splits == ("train", "test")


def test_files_are_all_that_is_read(library, make):
    names = {path.relative_to(library).as_posix() for path in make().files}
    assert names == {name for name in LIBRARY if name.endswith(".py") and "/" not in name} | {
        "json/__init__.py"
    }
