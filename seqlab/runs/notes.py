"""What people say of a run: its tags, and a note.

They lie in `notes.json`, which the process that trains never writes: so they may be given while a
run trains, and stay when it is resumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from seqlab.atomic import alone_in, write_atomic
from seqlab.errors import CheckpointError, RunFailed, UsageError
from seqlab.files import expect_writable, read
from seqlab.runs.file_schemas import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, NotesFile, parse
from seqlab.runs.folder import RunFolder

MAX_BYTES = 1 << 20
_TAG = re.compile(r"[^\W_][\w.-]*")
_LIKE_AN_ID = re.compile(r"[0-9a-f]{6,}|[0-9]{8}T[0-9]{6}Z.*|latest", re.IGNORECASE)


@dataclass(frozen=True)
class Notes:
    """The tags of a run, in the order they were given, and its note; "": it has none."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_notes(folder: RunFolder) -> Notes:
    """Read the tags and the note of a run; it has none if there is no `notes.json`.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        data = read(folder.notes, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return Notes()
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{folder.notes}: cannot be read ({reason})") from None
    content = parse(NotesFile, data, str(folder.notes))
    for tag in content["tags"]:
        if _problem(tag):
            raise CheckpointError(f"{folder.notes}: is damaged (tag {tag!r} {_problem(tag)})")
    return Notes(tuple(dict.fromkeys(content["tags"])), content["note"])


def add_tags(folder: RunFolder, tags: Sequence[str]) -> Notes:
    """Give tags to a run; return what it has then.

    Raises:
        UsageError: one cannot be a tag, or there are too many.
        CheckpointError: what the run has is damaged.
        RunFailed: they cannot be written.
    """
    for tag in tags:
        check_tag(tag)
    with alone_in(folder.path):
        notes = read_notes(folder)
        all_tags = tuple(dict.fromkeys([*notes.tags, *tags]))
        if len(all_tags) > MOST_TAGS:
            raise UsageError(f"{folder.path}: would have {len(all_tags)} tags, of {MOST_TAGS}")
        return _write(folder, replace(notes, tags=all_tags))


def remove_tags(folder: RunFolder, tags: Iterable[str]) -> Notes:
    """Take tags from a run; return what it has then.

    Raises:
        UsageError: it has no such tag.
        CheckpointError: what the run has is damaged.
        RunFailed: they cannot be written.
    """
    with alone_in(folder.path):
        notes = read_notes(folder)
        for tag in tags:
            if tag not in notes.tags:
                has = ", ".join(notes.tags) or "none"
                raise UsageError(f"{folder.path}: has no tag '{tag}'; its tags are: {has}")
        kept = tuple(tag for tag in notes.tags if tag not in set(tags))
        return _write(folder, replace(notes, tags=kept))


def set_note(folder: RunFolder, note: str) -> Notes:
    """Give a run a note in place of the one it has; an empty one takes it away.

    Raises:
        UsageError: it is too long.
        CheckpointError: what the run has is damaged.
        RunFailed: it cannot be written.
    """
    if len(note) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(note):,} characters; {LONGEST_NOTE:,} is the most")
    with alone_in(folder.path):
        return _write(folder, replace(read_notes(folder), note=note))


def check_tag(tag: str) -> None:
    """Raise UsageError unless a word can be a tag."""
    if problem := _problem(tag):
        raise UsageError(f"tag {tag!r}: {problem}")


def _problem(tag: str) -> str:
    if len(tag) > LONGEST_TAG:
        return f"has more than {LONGEST_TAG} characters"
    if not _TAG.fullmatch(tag):
        return "should be letters, digits, '-', '_' and '.', with a letter or digit first"
    if _LIKE_AN_ID.fullmatch(tag):
        return "looks like the id of a run; take another word"
    return ""


def _write(folder: RunFolder, notes: Notes) -> Notes:
    content = {"format": 1, "tags": notes.tags, "note": notes.note}
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    try:
        with suppress(FileNotFoundError):
            expect_writable(folder.notes)
        write_atomic(folder.notes, text.encode("utf-8", "replace"))
    except OSError as error:
        reason = error.strerror or error
        raise RunFailed(f"{folder.notes}: cannot be written ({reason})") from None
    return notes
