"""Panels become pictures: of a file, a terminal and a page."""

from __future__ import annotations

import logging
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seqlab.errors import UsageError
from seqlab.plots import fonts
from seqlab.plots.axes import Axes
from seqlab.plots.curve import svg
from seqlab.plots.figure import draw
from seqlab.plots.saving import save
from seqlab.plots.series import Group, panels
from seqlab.plots.terminal import text_of

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
NUMBERS = st.none() | st.floats(-1e6, 1e300)


def rows(values, split="valid"):
    return [
        {"step": i, "epoch": i, "split": split, "loss": y, "tokens": 1.0, "seconds": 1.0}
        for i, y in enumerate(values)
    ]


def pictures(*groups, axes=None):
    return panels([Group(name, (rows(values),)) for name, values in groups], "loss", axes or Axes())


CURVE = [math.exp(-i / 5) + 0.1 for i in range(20)]


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_equal_runs_give_equal_bytes_whatever_the_settings_of_matplotlib(ending, start):
    import matplotlib

    save(draw(pictures(("a", CURVE), ("b", CURVE[5:]))), Path(f"one.{ending}"))
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30}):
        save(draw(pictures(("a", CURVE), ("b", CURVE[5:]))), Path(f"two.{ending}"))
    one, two = (Path(f"{name}.{ending}").read_bytes() for name in ("one", "two"))
    assert one.startswith(start)
    assert one == two


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [None, 1.0, None, 3.0], [1e300, 1e-300]])
@pytest.mark.parametrize("log", ["", "y"])
def test_odd_curves_are_drawn_everywhere(values, log):
    drawn = pictures(("it", values), axes=Axes(log=log))
    save(draw(drawn), Path("it.svg"))
    assert "⠀" in text_of(drawn, 80, colored=True)
    ElementTree.fromstring(svg(drawn[0]))  # noqa: S314 # our own


@pytest.mark.parametrize("name", ["$x^2$", "_hidden", "a\x1b[31m", "x" * 300, "<b>&amp;", "%s {0}"])
def test_a_name_is_a_name_whatever_it_looks_like(name):
    figure = draw(pictures((name, CURVE), ("other", CURVE)))
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(legend) == 2
    assert not any("\x1b" in text for text in legend)
    save(figure, Path("it.svg"))


def test_characters_that_no_font_has_are_told(monkeypatch, caplog):
    monkeypatch.setattr(fonts, "_installed", dict)
    draw(pictures(("分开", CURVE)))
    assert "No font on this machine has '分开'" in caplog.text


def test_characters_that_a_font_has_are_drawn_in_silence(caplog):
    if fonts.families_for(["分开"])[1]:
        pytest.skip("no font on this machine has Chinese characters")
    save(draw(pictures(("分开", CURVE))), Path("it.png"))
    assert not caplog.records


@pytest.mark.parametrize("ending", ["", ".jpg", ".svg.gz"])
def test_a_format_that_is_none_is_refused_with_those_there_are(ending):
    with pytest.raises(UsageError, match=r"there are: \.png, \.svg, \.pdf"):
        save(draw(pictures(("it", CURVE))), Path(f"it{ending}"))


@given(
    names=st.lists(TEXTS, min_size=1, max_size=4),
    values=st.lists(NUMBERS, max_size=9),
    width=st.integers(40, 200),
)
def test_no_line_of_a_terminal_is_wider_than_it_and_none_controls_it(names, values, width):
    shown = text_of(pictures(*((name, [1.0, *values]) for name in names)), width, colored=False)
    assert max(map(cell_len, shown.split("\n"))) <= width
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


def test_colours_of_a_terminal_are_left_out_if_nobody_asks_for_them():
    drawn = pictures(("a", CURVE), ("b", CURVE))
    assert "\x1b[" in text_of(drawn, 80, colored=True)
    assert "\x1b" not in text_of(drawn, 80, colored=False)


@given(name=TEXTS, values=st.lists(NUMBERS, max_size=9))
def test_a_curve_of_a_page_is_xml_in_which_nothing_runs(name, values):
    (panel,) = pictures((name, [1.0, *values]))
    tree = ElementTree.fromstring(svg(panel))  # noqa: S314 # our own
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert tags <= {"svg", "path", "polyline", "circle", "text"}


@pytest.fixture(autouse=True)
def _warnings_of_seqlab(caplog):
    caplog.set_level(logging.WARNING, "seqlab")
