"""The corpus `text`: files of the user, as an experiment names them."""

from __future__ import annotations

import gzip
import resource
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from seqlab_plugins.corpora.records import Jsonl
from seqlab_plugins.corpora.text import Text

from seqlab import CorpusError, CorpusUnavailable, ExperimentError, read_experiment
from seqlab.data.preparation import prepare
from seqlab.data.tokens import decode
from seqlab.registry import resolve

SONG = "想要有直升机，想要和你飞到宇宙去\n"
PIECE = 1 << 20  # bytes that are read at a time


@pytest.fixture
def opened(registry, tiny):
    """Open the corpus that an experiment would: path and options in, prepared tokens out."""

    def opened(path, **options):
        section = {"name": "text", "path": path, **options}
        return prepare(resolve(read_experiment(tiny | {"corpus": section}), registry))

    return opened


@pytest.fixture
def text(opened):
    def text(path, **options):
        prepared = opened(path, **options)
        return decode(prepared.tokenizer, prepared.tokens.ids)

    return text


@pytest.fixture
def refusal(opened):
    """The one line that a user reads about a corpus that cannot be used."""

    def refusal(path, **options):
        with pytest.raises(CorpusError) as caught:
            opened(path, **options)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return refusal


def write(name: str, content: str | bytes) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def write_zip(name: str, **members: str | bytes) -> str:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(f"{member}.txt", content)
    return name


def write_encrypted_zip(name: str) -> str:
    """A zip whose headers say that the member needs a password."""
    packed = bytearray(Path(write_zip(name, song=SONG)).read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(header) + flags] |= 1
    return write(name, bytes(packed))


def test_a_file_is_read_as_it_is(text):
    assert text(write("song.txt", SONG)) == SONG


def test_files_are_read_in_the_order_of_the_list(text):
    write("b.txt", "second, ")
    write("a.txt", "first")
    assert text(["b.txt", "a.txt"]) == "second, first"


def test_a_glob_stands_for_its_files_in_the_order_of_their_names(text):
    write("songs/b.txt", "second")
    write("songs/a.txt", "first, ")
    write("songs/c.md", "no")
    assert text("songs/*.txt") == "first, second"


def test_a_glob_reaches_into_folders(text):
    write("deep/one.txt", "found")
    assert text("**/o*.txt") == "found"


def test_a_file_whose_name_looks_like_a_glob_is_that_file(text):
    write("a.txt", "no")
    assert text(write("[a].txt", "yes")) == "yes"


def test_each_file_is_a_document(opened):
    write("a.txt", "one")
    write("b.txt", "two")
    assert opened(["a.txt", "b.txt"]).tokens.documents.tolist() == [0, 3]


def test_gzip_is_unpacked(text):
    assert text(write("song.txt.gz", gzip.compress(SONG.encode()))) == SONG


def test_the_only_member_of_a_zip_is_unpacked(text):
    assert text(write_zip("song.zip", song=SONG)) == SONG


def test_what_a_mac_adds_to_a_zip_is_not_a_member(text):
    with zipfile.ZipFile("song.zip", "w") as archive:
        archive.writestr("song.txt", SONG)
        archive.writestr("__MACOSX/._song.txt", b"\x00\x05")
    assert text("song.zip") == SONG


def test_a_suffix_may_be_written_in_capitals(text):
    assert text(write_zip("SONG.ZIP", song=SONG)) == SONG


def test_member_chooses_from_a_zip(text):
    write_zip("songs.zip", one="first", two="second")
    assert text("songs.zip", member="two.txt") == "second"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-be", "big5"])
def test_any_encoding_reads_the_same_text(text, encoding):
    song = "簡單愛\n"
    assert text(write("song.txt", song.encode(encoding)), encoding=encoding) == song


def is_read_as(expected: str, **options) -> bool:
    """Whether that is read; with `assert ==`, pytest would take minutes to show a difference."""
    (document,) = Text(path=Path("song.txt"), **options).documents("train")
    return "".join(document) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_character_may_lie_across_two_pieces(encoding):
    for ahead in range(7):  # bytes of the two characters
        large = "a" * ahead + "想🦖" * (PIECE // 5)
        write("song.txt", large.encode(encoding))
        assert is_read_as(large, encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(text, encoding):
    declared = encoding.removesuffix("-sig")
    assert text(write("song.txt", SONG.encode(encoding)), encoding=declared) == SONG


@pytest.mark.parametrize(
    ("newlines", "expected"),
    [("keep", "a\r\nb\rc\nd"), ("lf", "a\nb\nc\nd"), ("space", "a  b c d")],
)
def test_newlines_are_the_same_wherever_pieces_end(text, newlines, expected):
    assert text(write("song.txt", "a\r\nb\rc\nd"), newlines=newlines) == expected
    for ahead in range(8):
        write("song.txt", "x" * ahead + "a\r\nb\rc\nd" * (PIECE // 7))
        assert is_read_as("x" * ahead + expected * (PIECE // 7), newlines=newlines)


def test_newlines_become_lf_unless_asked_otherwise(text):
    assert text(write("song.txt", "a\r\nb")) == "a\nb"


def test_a_carriage_return_at_the_very_end_is_kept_as_a_newline(text):
    assert text(write("song.txt", "a\r")) == "a\n"


def test_a_missing_file_is_unavailable(opened):
    with pytest.raises(CorpusUnavailable, match=r"nowhere\.txt: there is no such file"):
        opened("nowhere.txt")


def test_a_glob_that_matches_nothing_is_unavailable(opened):
    with pytest.raises(CorpusUnavailable, match=r"songs/\*\.txt: matches no file"):
        opened("songs/*.txt")


def test_a_glob_that_matches_only_folders_is_refused(refusal):
    Path("songs/one").mkdir(parents=True)
    assert "matches only folders" in refusal("songs/*")


@pytest.mark.parametrize("pattern", ["*.txt", "sub/../[ab].txt", "**/a.txt", "[[]x[]]/*.txt"])
def test_a_glob_may_lie_in_a_folder_whose_name_has_brackets(monkeypatch, text, pattern):
    Path("[x]/sub").mkdir(parents=True)
    write("[x]/a.txt", SONG)
    if not pattern.startswith("["):
        monkeypatch.chdir("[x]")
    assert text(pattern) == SONG


def test_a_glob_goes_round_no_circle(text):
    write("songs/a.txt", SONG)
    Path("songs/self").symlink_to(".")
    assert text("songs/**/*.txt") == SONG


@pytest.mark.parametrize("path", ["*" + "a" * 300, "a\0b", "a\0*"])
def test_a_name_or_glob_that_no_file_can_have_is_refused(refusal, path):
    assert refusal(path)


def test_a_glob_in_a_folder_that_cannot_be_read_is_refused(refusal, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    write("songs/a.txt", SONG)
    monkeypatch.setattr(Path, "iterdir", refused)
    assert "songs: cannot be read (Permission denied)" in refusal("songs/*.txt")


def test_a_folder_is_refused_with_the_glob_that_would_be_right(refusal):
    Path("songs").mkdir()
    assert "songs: is a folder; write " in refusal("songs")


def test_a_name_that_no_file_can_have_is_refused(refusal):
    assert "name too long" in refusal("a" * 300)


def test_an_empty_file_is_refused_by_its_name(refusal):
    assert "nothing.txt" in refusal(write("nothing.txt", ""))


@pytest.mark.parametrize("ahead", [0, *range(PIECE - 11, PIECE + 1)])
def test_bytes_that_are_not_utf8_are_named_by_their_offset(refusal, ahead):
    path = write("song.txt", b"x" * ahead + "a分b开c".encode() + b"\xffd")
    assert f"song.txt: is not utf-8 at byte {ahead + 9:,} " in refusal(path)


@pytest.mark.parametrize("between", [3, PIECE - 4, PIECE - 3, PIECE])
def test_the_offset_counts_a_byte_order_mark(refusal, between):
    path = write("song.txt", b"\xef\xbb\xbf" + b"a" * between + b"\xff")
    assert f"at byte {between + 3:,} " in refusal(path)


@pytest.mark.parametrize("ahead", [0, *range(PIECE - 6, PIECE + 1)])
def test_a_character_cut_off_at_the_end_is_named_by_its_offset(refusal, ahead):
    path = write("song.txt", b"x" * ahead + "a分".encode() + "开".encode()[:2])
    assert f"at byte {ahead + 4:,} " in refusal(path)


def test_offsets_beyond_the_first_mebibyte_are_right(refusal):
    assert "at byte 2,000,000 " in refusal(write("song.txt", b"a" * 2_000_000 + b"\xff"))


def test_one_enormous_line_streams():
    Path("line.txt").write_bytes(b"a" * (48 << 20))
    tracemalloc.start()
    corpus = Text(path=Path("line.txt"))
    corpus.fingerprint()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.slow
def test_a_line_of_a_gigabyte_streams_and_one_of_json_is_refused():
    with Path("line.txt").open("wb") as file:
        for _ in range(1 << 10):
            file.write(b"a" * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(map(len, next(Text(path=Path("line.txt")).documents("train")))) == 1 << 30
    with pytest.raises(CorpusError, match=r"line\.txt:1: has more than 67,108,864 characters"):
        Jsonl(path=Path("line.txt")).fingerprint()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KiB


def test_a_zip_without_the_member_says_what_it_holds(refusal):
    message = refusal(write_zip("songs.zip", one="1", two="2"), member="three.txt")
    assert "has no member 'three.txt'; it holds 2 files: one.txt, two.txt" in message


def test_a_zip_of_several_members_needs_to_be_told_which(refusal):
    message = refusal(write_zip("songs.zip", one="1", two="2"))
    assert "needs `member: NAME` of `corpus: text`; it holds 2 files: one.txt, two.txt" in message


def test_a_zip_without_members_is_refused_as_empty(refusal):
    assert "is empty" in refusal(write_zip("songs.zip"))


def test_an_encrypted_zip_is_refused(refusal):
    assert "is encrypted" in refusal(write_encrypted_zip("song.zip"))


@pytest.mark.parametrize("kept", [0, 30, -30])
def test_a_truncated_zip_is_refused(refusal, kept):
    whole = Path(write_zip("song.zip", song=SONG)).read_bytes()
    assert "song.zip: is damaged" in refusal(write("song.zip", whole[:kept]))


def test_a_zip_with_a_damaged_member_is_refused(refusal):
    packed = bytearray(Path(write_zip("song.zip", song=SONG)).read_bytes())
    packed[50] ^= 0xFF
    assert "song.zip: is damaged" in refusal(write("song.zip", bytes(packed)))


def test_a_zip_with_a_nameless_member_is_refused(refusal):
    packed = Path(write_zip("songs.zip", song=SONG, x=SONG)).read_bytes()
    nameless = packed.replace(b"x.txt", b"\0.txt")
    assert "a file without a name" in refusal(write("songs.zip", nameless))


@pytest.mark.parametrize("pack", ["zip", "gz"])
def test_zeros_that_unpack_to_hundreds_of_times_their_size_are_refused(refusal, pack):
    zeros = bytes(17 << 20)
    bomb = (
        write_zip("zeros.zip", zeros=zeros)
        if pack == "zip"
        else write("zeros.gz", gzip.compress(zeros, 1))
    )
    assert f"{bomb}: decompresses to more than 200 times its" in refusal(bomb)


def test_a_truncated_gzip_is_refused(refusal):
    packed = gzip.compress(SONG.encode())
    assert "song.gz: is damaged" in refusal(write("song.gz", packed[:-10]))


def test_a_gz_that_is_no_gzip_is_refused(refusal):
    assert "song.gz: is damaged" in refusal(write("song.gz", SONG))


@pytest.mark.parametrize("encoding", ["utf-88", "gb-nothing", "hex", "rot13", "zlib"])
def test_what_is_no_encoding_of_text_is_refused_before_anything_is_read(opened, encoding):
    with pytest.raises(ExperimentError, match=r"corpus\.encoding: should be the name of an enc"):
        opened("nowhere.txt", encoding=encoding)


def test_the_fingerprint_changes_with_one_character(opened):
    first = opened(write("song.txt", "abc")).source.fingerprint
    assert opened(write("song.txt", "abd")).source.fingerprint != first


def test_the_fingerprint_is_that_of_the_text_however_it_is_stored():
    large = SONG * (PIECE // 20)  # several pieces, of other lengths in another encoding
    write("song.txt", large)
    write("other.gz", gzip.compress(large.encode(), 1))
    write("gb.txt", large.encode("gb18030"))
    plain = Text(path=Path("song.txt")).fingerprint()
    assert Text(path=Path("other.gz")).fingerprint() == plain
    assert Text(path=Path("gb.txt"), encoding="gb18030").fingerprint() == plain


def test_the_fingerprint_tells_where_documents_end(opened):
    write("a.txt", "ab")
    write("b.txt", "c")
    write("c.txt", "a")
    write("d.txt", "bc")
    assert (
        opened(["a.txt", "b.txt"]).source.fingerprint
        != opened(["c.txt", "d.txt"]).source.fingerprint
    )
