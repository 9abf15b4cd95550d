"""Fonts that have the characters of a picture, Chinese ones above all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

USUAL = "DejaVu Sans"  # comes with matplotlib
KNOWN = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "SimHei"),
    *(
        "Noto Sans CJK JP",
        "Heiti SC",
        "Hiragino Sans GB",
        "Arial Unicode MS",
        "Droid Sans Fallback",
    ),
)
"""Families that are tried first, as they read well beside the usual one."""
_EMPTY = re.compile(r"\.?last ?resort|adobe ?(not)?def|adobe ?blank", re.IGNORECASE)
"""They say that they have every character, and draw a box or nothing for it."""


def families_for(texts: Iterable[str]) -> tuple[list[str], str]:
    """Return the families that have all characters of some texts, and those that none has.

    Needs matplotlib.
    """
    missing = {character for text in texts for character in text if character.isprintable()}
    missing -= _usual_characters()
    families = [USUAL]
    for family in _installed() if missing else ():
        if found := missing & _characters(family):
            families.append(family)
            missing -= found
        if not missing:
            break
    return families, "".join(sorted(missing))


@cache
def _usual_characters() -> frozenset[str]:
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(USUAL))
    return frozenset(map(chr, font.get_charmap()))


@cache
def _installed() -> dict[str, str]:
    """The families of this machine with a file of each, in the order in which they are tried."""
    from matplotlib import font_manager

    _add_new_fonts()
    files = {entry.name: entry.fname for entry in reversed(font_manager.fontManager.ttflist)}
    order = [*KNOWN, *sorted(files)]
    return {name: files[name] for name in order if name in files and not _EMPTY.match(name)}


@cache
def _characters(family: str) -> frozenset[str]:
    """All characters that a family has; none if its file cannot be read."""
    from matplotlib import font_manager

    try:
        font = font_manager.get_font(_installed()[family])
        return frozenset(map(chr, font.get_charmap()))
    except (KeyError, OSError, RuntimeError, ValueError):
        return frozenset()


def _add_new_fonts() -> None:
    """Tell matplotlib of fonts that were installed after it made its list."""
    from matplotlib import font_manager

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted({*font_manager.findSystemFonts()} - known):
        with suppress(OSError, RuntimeError, ValueError):  # a font that it cannot read
            font_manager.fontManager.addfont(path)
