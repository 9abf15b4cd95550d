"""Changes of files as a patch that `git apply` takes."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from seqlab.runs.working_tree import Change, Side

CONTEXT = 3  # lines around a change
_MOST_COMPARED = 4_000_000  # pairs of lines; beyond these, all lines in between are replaced
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_Opcode = tuple[str, int, int, int, int]


def patch_of(change: Change) -> list[str]:
    r"""Return the lines of a patch, each with its `\n`; bytes that are no UTF-8 as surrogates.

    Both sides need a content without null bytes.
    """
    old, new = change.old, change.new
    if old and new and stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):  # as a link became a file
        removed = Change(change.path, old, None)
        return patch_of(removed) + patch_of(Change(change.path, None, new))
    hunks = list(_hunks(_lines(old), _lines(new)))
    names = _names(change) if hunks else []
    return [*_header(change), *names, *hunks]


def quoted(path: bytes, prefix: str = "") -> str:
    """Return a path as git writes it: in quotes if it has letters of another alphabet."""
    if all(32 <= byte < 127 and byte not in (34, 92) for byte in path):
        return prefix + path.decode("ascii")
    escaped = "".join(_escaped(byte) for byte in path)
    return f'"{prefix}{escaped}"'


def _escaped(byte: int) -> str:
    if byte in _ESCAPES:
        return f"\\{_ESCAPES[byte]}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def _header(change: Change) -> Iterator[str]:
    yield f"diff --git {quoted(change.path, 'a/')} {quoted(change.path, 'b/')}\n"
    if change.old is None and change.new is not None:
        yield f"new file mode {change.new.mode:06o}\n"
    elif change.new is None and change.old is not None:
        yield f"deleted file mode {change.old.mode:06o}\n"
    elif change.old and change.new and change.old.mode != change.new.mode:
        yield f"old mode {change.old.mode:06o}\n"
        yield f"new mode {change.new.mode:06o}\n"


def _names(change: Change) -> list[str]:
    end = "\t\n" if b" " in change.path else "\n"  # or the name would end at its first space
    old = quoted(change.path, "a/") + end if change.old else "/dev/null\n"
    new = quoted(change.path, "b/") + end if change.new else "/dev/null\n"
    return [f"--- {old}", f"+++ {new}"]


def _lines(side: Side | None) -> list[str]:
    text = (side.content or b"").decode("utf-8", "surrogateescape") if side else ""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    for group in _groups(old, new):
        first, last = group[0], group[-1]
        ranges = _range(first[1], last[2]), _range(first[3], last[4])
        yield f"@@ -{ranges[0]} +{ranges[1]} @@\n"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from _marked(" ", old[i1:i2])
                continue
            yield from _marked("-", old[i1:i2])
            yield from _marked("+", new[j1:j2])


def _range(start: int, end: int) -> str:
    """A range of lines as a patch counts them: from 1, and after line 0 if there are none."""
    length = end - start
    return f"{start + 1 if length else start},{length}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line
        if not line.endswith("\n"):
            yield "\n"
            yield "\\ No newline at end of file\n"


def _groups(old: list[str], new: list[str]) -> Iterator[list[_Opcode]]:
    """Yield the groups of changes, with their context, in bounded time."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    before, after = max(start - CONTEXT, 0), max(end - CONTEXT, 0)
    left, right = old[before : len(old) - after], new[before : len(new) - after]
    if left == right:
        return
    if len(left) * len(right) > _MOST_COMPARED:
        groups = [_all_replaced(len(left), len(right), start - before, end - after)]
    else:
        matcher = SequenceMatcher(None, left, right)
        groups = list(matcher.get_grouped_opcodes(CONTEXT))
    for group in groups:
        yield [(t, i + before, j + before, k + before, n + before) for t, i, j, k, n in group]


def _all_replaced(old: int, new: int, before: int, after: int) -> list[_Opcode]:
    """One group in which everything between the first and the last equal lines is replaced."""
    parts = [
        ("equal", 0, before, 0, before),
        ("replace", before, old - after, before, new - after),
        ("equal", old - after, old, new - after, new),
    ]
    return [part for part in parts if part[1] < part[2] or part[3] < part[4]]


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many first lines are equal."""
    for number, (left, right) in enumerate(zip(old, new, strict=False)):
        if left != right:
            return number
    return min(len(old), len(new))
