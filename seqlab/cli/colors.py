"""Colours of messages on a terminal: how serious it is, where it is, and which key it is about.

They are laid over text whose control characters are visible already.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

Paint: TypeAlias = Callable[[str], str]

_STYLES = {"bold": 1, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_PLACE = re.compile(r"(?P<place>[^\s:][^:]*:\d+:\d+|--set [^:]+)(?=: )(: (?P<key>[\w.-]+)(?=: ))?")
_STATES = {
    **dict.fromkeys(("ok", "kept"), "green"),
    **dict.fromkeys(("disabled", "not here", "skipped"), "yellow"),
}


def styled(text: str, *styles: str) -> str:
    """A text in styles: bold, red, green, yellow, cyan."""
    codes = ";".join(str(_STYLES[style]) for style in styles)
    return f"\x1b[{codes}m{text}\x1b[0m"


def red(text: str) -> str:
    """A line that is a warning as a whole, such as a doubt."""
    return styled(text, "red")


def complaint(text: str) -> str:
    """`file:line:column: key: message`: the place is bold, the key is cyan."""
    match = _PLACE.match(text)
    if not match:
        return text
    key = f": {styled(match['key'], 'cyan')}" if match["key"] else ""
    return f"{styled(match['place'], 'bold')}{key}{text[match.end() :]}"


def error(text: str) -> str:
    """`seqlab: message`, with a red beginning."""
    begin, colon, rest = text.partition(": ")
    return f"{styled(f'{begin}:', 'bold', 'red')} {complaint(rest)}" if colon else text


def warning(text: str) -> str:
    """`seqlab: warning: message`, with its second word yellow."""
    return text.replace("warning:", styled("warning:", "yellow"), 1)


def usage(text: str) -> str:
    """What click says of a wrong command."""
    return re.sub(r"^Error:", styled("Error:", "bold", "red"), text, flags=re.MULTILINE)


def valid(text: str) -> str:
    """`file: is valid`."""
    return text.replace("is valid", styled("is valid", "green"))


def style_of_state(state: str) -> str:
    """The style of a cell that says how something is; what is not known is a failure."""
    return next((style for begin, style in _STATES.items() if state.startswith(begin)), "red")
