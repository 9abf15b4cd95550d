r"""Anybody's text -> text that a terminal shows instead of obeying, and that can be pasted.

Control characters move the cursor, change colours and titles, or turn the order of letters around;
so they are shown, as `\x1b` or `\u202e`, and not sent. What joins the parts of one emoji stays.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from typing import Any

_C0 = "\x00-\x1f"
_SENT = (
    "\x7f-\x9f"  # DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # the direction of letters
    "\u2028\u2029"  # ends of lines and paragraphs
    "\ufeff\ufff9-\ufffb"  # marks of byte order and of annotations
    "\ud800-\udfff"  # halves of a character: bytes of a file name that are not UTF-8
)
_CONTROL = re.compile(f"[{_C0}{_SENT}]")
_LEFT_BY_JSON = re.compile(f"[{_SENT}]")  # it escapes C0 by itself
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def visible(text: str, keep: str = "\n\t") -> str:
    """Show every control character in a text, but for those in `keep`."""
    return _CONTROL.sub(lambda found: _shown(found[0], keep), text)


def one_line(text: str) -> str:
    """A text as one line of a message: its lines joined by spaces, control characters shown."""
    return visible(" ".join(text.split("\n")), keep="")


def cell(text: str) -> str:
    """A text as a cell of a table, in which a tab or an end of a line would begin another."""
    return visible(text, keep="")


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: a number as it is, any other text as text."""
    shown = cell(text)
    return f"'{shown}" if shown.startswith(_FORMULA) and not _is_number(shown) else shown


def json_text(value: Any, indent: int | None = None) -> str:
    r"""A value as JSON that reads back as it was, with control characters as `\u0000` has them."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def pasted(words: Iterable[object]) -> str:
    """A command of these words, to be pasted into a shell; each word stays one, and only a word."""
    return " ".join(map(_quoted, map(str, words)))


def _shown(character: str, keep: str) -> str:
    if character in keep:
        return character
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _quoted(word: str) -> str:
    r"""A word as a shell wants it; one with control characters as bash and zsh read it: $'\x1b'."""
    if not _CONTROL.search(word):
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_CONTROL.sub(lambda found: _bytes_of(found[0]), escaped)}'"


def _bytes_of(character: str) -> str:
    r"""Its bytes in a file name, in octal: three digits end by themselves, unlike `\x`'s."""
    escaped = "\udc80" <= character <= "\udcff"  # one byte that is not UTF-8
    data = character.encode("utf-8", "surrogateescape" if escaped else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in data)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
