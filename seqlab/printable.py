r"""Untrusted text -> text that is safe to print in a terminal, and to paste.

Control characters move the cursor, change colours and titles, or reverse the order of letters; they
are printed escaped, as `\x1b` or `\u202e`. Joiners of emoji stay.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

_C0 = "\x00-\x1f"
_BEYOND_C0 = (
    "\x7f-\x9f"  # DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # the direction of letters
    "\u2028\u2029"  # ends of lines and paragraphs
    "\ufeff\ufff9-\ufffb"  # marks of byte order and of annotations
    "\ud800-\udfff"  # halves of a character: bytes of a file name that are not UTF-8
)
_CONTROL = re.compile(f"[{_C0}{_BEYOND_C0}]")
_NOT_ESCAPED_BY_JSON = re.compile(f"[{_BEYOND_C0}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def visible(text: str, keep: str = "\n\t") -> str:
    """Escape every control character in a text, except those in `keep`."""
    return _CONTROL.sub(lambda match: _escaped(match[0], keep), text)


def one_line(text: str) -> str:
    """A text as one line: lines joined by spaces, control characters escaped."""
    return visible(" ".join(text.split("\n")), keep="")


def cell(text: str) -> str:
    """A text as a cell of a table; tabs and ends of lines are escaped too."""
    return visible(text, keep="")


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet reads as a formula."""
    escaped = cell(text)
    return f"'{escaped}" if escaped.startswith(_FORMULA) and not _is_number(escaped) else escaped


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path from the working folder, where it lies below that; else as it is."""
    with suppress(OSError, ValueError):  # the working folder is gone; it lies elsewhere
        below = PurePath(path).relative_to(Path.cwd())
        return str(below)
    return os.fspath(path)


def from_here(text: str) -> str:
    """A text with its paths below the working folder as they are from there."""
    try:
        here = os.getcwd().rstrip(os.sep)  # noqa: PTH109 # a text
    except OSError:  # it is gone
        return text
    start = rf"(?<![\w./~-]){re.escape(here + os.sep)}(?=[^\s/])"
    return re.sub(start, "", text) if here else text


def json_text(value: Any, indent: int | None = None, *, allow_nan: bool = True) -> str:
    r"""A value as JSON that reads back as it was, with control characters as `\u0000` has them."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=allow_nan)
    return _NOT_ESCAPED_BY_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def pasted(words: Iterable[object]) -> str:
    """A command to paste into a shell, with each word quoted."""
    return " ".join(map(_quoted, map(str, words)))


def _escaped(character: str, keep: str) -> str:
    if character in keep:
        return character
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _quoted(word: str) -> str:
    r"""A word quoted for a shell; with control characters, for bash and zsh: $'\033'."""
    if not _CONTROL.search(word):
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_CONTROL.sub(lambda match: _octal(match[0]), escaped)}'"


def _octal(character: str) -> str:
    r"""Its bytes in a file name, each as three octal digits; `\x` would read on."""
    is_byte = "\udc80" <= character <= "\udcff"  # one byte that is not UTF-8
    data = character.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in data)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
