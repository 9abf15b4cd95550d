"""The corpus `folder`, and splits that lie in files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from seqlab_plugins.corpora.text import Folder, Text

from seqlab import CorpusError, CorpusUnavailable
from seqlab.testing import check_corpus


def write(**files: str) -> Path:
    """Write files below `songs`; `__` in a name stands for a slash."""
    for name, text in files.items():
        path = Path("songs", name.replace("__", "/") + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return Path("songs")


def texts(corpus, split: str = "train") -> list[str]:
    return ["".join(document) for document in corpus.documents(split)]


def test_each_file_is_a_document_in_the_order_of_their_paths():
    write(b="second", a="first", a__deep="in between", z__z="last")
    assert texts(Folder(path=Path("songs"))) == ["first", "in between", "second", "last"]


def test_globs_choose_the_files():
    folder = write(a="one", deep__b="two", deep__c="three")
    Path("songs/notes.md").write_text("four")
    chosen = Folder(path=folder, match=["deep/*.txt", "*.md"], leave_out=["**/c*"])
    assert texts(chosen) == ["two", "four"]


def test_empty_and_hidden_files_are_left_out():
    folder = write(a="one", empty="")
    Path("songs/.hidden.txt").write_text("no")
    assert texts(Folder(path=folder)) == ["one"]


def test_splits_lie_in_folders_of_their_own():
    write(a="one")
    Path("held").mkdir()
    Path("held/b.txt").write_text("two")
    corpus = Folder(path=Path("songs"), valid=Path("held"))
    assert (corpus.splits, texts(corpus, "valid")) == (("train", "valid"), ["two"])


def test_what_is_held_out_is_not_trained():
    corpus = Folder(path=write(a="one", held__b="two"), valid=Path("songs/held"))
    assert (texts(corpus), texts(corpus, "valid")) == (["one"], ["two"])


@pytest.mark.parametrize("spelling", ["songs/held", "other/../songs/held", "link/held", "latest"])
def test_what_is_held_out_is_not_trained_however_its_folder_is_spelt(spelling):
    write(a="one", held__b="two")
    Path("other").mkdir()
    Path("link").symlink_to("songs")
    Path("latest").symlink_to("songs/held")
    for path in (Path("songs"), Path("other/../songs"), Path("songs").absolute()):
        corpus = Folder(path=path, valid=Path(spelling))
        assert (texts(corpus), texts(corpus, "valid")) == (["one"], ["two"])


def test_a_link_to_what_is_held_out_is_not_trained():
    corpus = Folder(path=write(a="one", held__b="two"), valid=Path("songs/held"))
    Path("songs/latest").symlink_to("held")
    Path("songs/c.txt").symlink_to("held/b.txt")
    assert (texts(corpus), texts(corpus, "valid")) == (["one"], ["two"])


def test_links_to_what_is_trained_hold_it_out():
    write(a="one", b="two")
    Path("held").mkdir()
    Path("held/chosen.txt").symlink_to("../songs/b.txt")
    corpus = Folder(path=Path("songs"), valid=Path("held"))
    assert (texts(corpus), texts(corpus, "valid")) == (["one"], ["two"])


def test_what_is_trained_may_lie_in_the_folder_of_the_rest():
    corpus = Folder(path=write(a="one", b__c="two") / "b", valid=Path("songs"))
    assert (texts(corpus), texts(corpus, "valid")) == (["two"], ["one"])


def test_links_that_lead_back_add_nothing():
    folder = write(a="one", b__c="two")
    for name in ("self", "again", "b/up", "b/down"):
        Path(folder, name).symlink_to(folder.absolute())
    Path(folder, "b/nowhere").symlink_to("nowhere")
    Path(folder, "same.txt").symlink_to("a.txt")
    assert texts(Folder(path=folder)) == ["one", "two"]


def test_files_may_be_reached_through_links():
    write(a="one")
    Path("all").mkdir()
    Path("all/songs").symlink_to("../songs")
    assert texts(Folder(path=Path("all"), match="songs/*.txt")) == ["one"]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("**", ["one", "two", "three"]),
        ("*.txt", ["one"]),
        ("*/*.txt", ["two"]),
        ("*/**/*.txt", ["two", "three"]),
        ("b/../a.*", ["one"]),
        (".h/*.txt", ["hidden"]),
        ("[!b].txt", ["one"]),
    ],
)
def test_a_glob_means_what_it_means_elsewhere(match, expected):
    folder = write(a="one", b__b="two", b__c__d="three", **{".h__x": "hidden"})
    assert texts(Folder(path=folder, match=match)) == expected


def test_a_folder_that_cannot_be_looked_into_is_named(monkeypatch):
    folder = write(a="one", b__c="two")
    listed = Path.iterdir

    def refused(path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(CorpusError, match=r"songs/b: cannot be read \(Permission denied\)"):
        Folder(path=folder).fingerprint()


def test_a_name_that_no_folder_can_have_is_refused():
    with pytest.raises(CorpusError, match="cannot be read"):
        Folder(path=Path("a\0b")).fingerprint()


def test_splits_have_the_names_of_folders():
    corpus = Folder(path=write(train__a="one", validation__b="two"), by_name=True)
    assert corpus.splits == ("train", "validation")
    assert texts(corpus, "validation") == ["two"]


def test_splits_by_name_need_a_folder_train():
    with pytest.raises(CorpusError, match=r"no folder 'train' \(its folders: other\)"):
        Folder(path=write(other__a="one"), by_name=True).fingerprint()


def test_splits_come_by_name_or_from_folders_and_never_both_ways():
    with pytest.raises(ValueError, match="leave out valid and test"):
        Folder(path=Path("songs"), valid=Path("held"), by_name=True)


def test_a_folder_that_matches_nothing_says_what_was_looked_for():
    with pytest.raises(CorpusError, match=r"songs: no file in it matches \*\.py"):
        Folder(path=write(a="one"), match="*.py").fingerprint()


def test_a_missing_folder_is_unavailable():
    with pytest.raises(CorpusUnavailable, match="nowhere: there is no such folder"):
        Folder(path=Path("nowhere")).fingerprint()


def test_a_file_is_no_folder():
    write(a="one")
    with pytest.raises(CorpusError, match="is a file; `corpus: text`"):
        Folder(path=Path("songs/a.txt")).fingerprint()


def test_a_file_that_is_no_text_is_named_with_its_byte():
    write(a="one")
    Path("songs/b.txt").write_bytes(b"ab\xff")
    with pytest.raises(CorpusError, match=r"songs/b\.txt: is not utf-8 at byte 2 "):
        Folder(path=Path("songs")).fingerprint()


def test_files_are_all_that_is_read():
    folder = write(a="one", b__c="two")
    assert Folder(path=folder).files == [Path("songs/a.txt"), Path("songs/b/c.txt")]


def test_the_fingerprint_follows_neither_names_nor_the_place():
    first = Folder(path=write(a="one", b="two")).fingerprint()
    Path("songs").rename("elsewhere")
    Path("elsewhere/a.txt").rename("elsewhere/aa.txt")
    assert Folder(path=Path("elsewhere")).fingerprint() == first


def test_a_text_has_splits_in_files():
    write(a="one", b="two", c="three")
    corpus = Text(path=Path("songs/a.txt"), valid=Path("songs/b.txt"), test=[Path("songs/c.txt")])
    assert corpus.splits == ("train", "valid", "test")
    assert [texts(corpus, split) for split in corpus.splits] == [["one"], ["two"], ["three"]]
    assert [path.name for path in corpus.files] == ["a.txt", "b.txt", "c.txt"]


def test_the_fingerprint_tells_which_split_a_text_belongs_to():
    write(a="one", b="two", c="three")
    a, b, c = (Path(f"songs/{name}.txt") for name in "abc")
    corpora = [
        Text(path=[a, b, c]),
        Text(path=[a, b], valid=c),
        Text(path=[a, b], test=c),
        Text(path=a, valid=[b, c]),
        Text(path=a, valid=b, test=c),
    ]
    assert len({corpus.fingerprint() for corpus in corpora}) == 5


@pytest.mark.parametrize("options", [{}, {"by_name": True}, {"valid": Path("songs/valid")}])
def test_a_folder_keeps_every_promise(options):
    folder = write(train__a="the first, 分开", train__b__c="the second", valid__d="the last one")
    check_corpus(Folder, path=folder, **options)


def test_a_text_with_splits_keeps_every_promise():
    write(a="the first, 分开", b="the last")
    check_corpus(Text, path=Path("songs/a.txt"), valid=Path("songs/b.txt"))


def test_a_folder_that_is_trained_and_scored_leaves_nothing_to_train():
    folder = write(a="one", b="two")
    Path("again").symlink_to(folder)
    for valid in (folder, Path("again")):
        with pytest.raises(CorpusError, match="none is left to train"):
            Folder(path=folder, valid=valid).documents("train").__next__()


def test_a_hard_link_to_what_is_held_out_is_not_trained():
    folder = write(a="one", b="two")
    Path("held").mkdir()
    Path("held/c.txt").hardlink_to(folder / "b.txt")
    corpus = Folder(path=folder, valid=Path("held"))
    assert (texts(corpus), corpus.held_out) == (["one"], [folder / "b.txt"])
