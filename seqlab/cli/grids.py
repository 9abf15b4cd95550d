"""Tables that fit the width of a terminal, in which no number is broken or cut.

A grid has labels at its left and headings above; it is folded, turned round, or split into blocks.
Widths are those of a terminal, where a Chinese character takes two columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seqlab.printable import cell

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
LONGEST_WORD = 24


@dataclass(frozen=True)
class Cell:
    """A text in a grid; `solid`: it is never folded; `right`: it is set to the right.

    Words longer than `longest_word` (in columns) may be broken.
    """

    text: str
    style: str = ""
    solid: bool = False
    right: bool = False
    longest_word: int = LONGEST_WORD

    @property
    def width(self) -> int:
        return _width(self.text)

    @property
    def least_width(self) -> int:
        words = (_width(word) for word in self.text.split(" "))
        return self.width if self.solid else min(max(words), self.longest_word)

    def lines(self, width: int) -> list[str]:
        return [self.text] if self.solid else folded(self.text, width)


@dataclass(frozen=True)
class Grid:
    """`cells` has a row for each label, and in it a cell for each heading."""

    corner: Cell
    headings: tuple[Cell, ...]
    labels: tuple[Cell, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def turned(self) -> Grid:
        """Return the same with rows as columns."""
        columns = tuple(zip(*self.cells, strict=True)) if self.cells else ()
        return Grid(self.corner, self.labels, self.headings, columns)

    def columns(self, first: int, last: int) -> Grid:
        """Return the columns from one to before another."""
        rows = tuple(row[first:last] for row in self.cells)
        return replace(self, headings=self.headings[first:last], cells=rows)

    @property
    def rows(self) -> list[list[Cell]]:
        """All cells, with the headings as the first row and the labels as the first column."""
        body = zip(self.labels, self.cells, strict=True)
        return [[self.corner, *self.headings], *([label, *row] for label, row in body)]

    def widths(self, width: int) -> list[int]:
        """Return the width of each column: what it needs, or less where it is to be folded."""
        columns = list(zip(*self.rows, strict=True))
        wanted = [max(cell.width for cell in column) for column in columns]
        widths = [max(cell.least_width for cell in column) for column in columns]
        spare = width - sum(widths) - GAP * (len(widths) - 1)
        for i, want in enumerate(wanted):
            more = max(min(want - widths[i], spare), 0)
            widths[i] += more
            spare -= more
        return widths

    def fits(self, width: int) -> bool:
        """Whether it fits, with what can be folded."""
        widths = self.widths(0)
        return sum(widths) + GAP * (len(widths) - 1) <= width

    def fits_unfolded(self, width: int) -> bool:
        """Whether it fits with a line for each row."""
        return self.fits(width) and self.height(width) == len(self.rows)

    def height(self, width: int) -> int:
        widths = self.widths(width)
        return sum(_height(row, widths) for row in self.rows)


def fitting(grid: Grid, width: int) -> list[Grid]:
    """Return a grid as it is, turned round, or in blocks of columns: what fits best."""
    turned = grid.turned()
    choices = [choice for choice in (_blocks(grid, width), _blocks(turned, width)) if choice]
    return min(choices, key=lambda blocks: (len(blocks), _total_height(blocks, width)))


def _total_height(blocks: Sequence[Grid], width: int) -> int:
    """The lines of several grids; that they are one and unturned counts for more than height."""
    return sum(block.height(width) for block in blocks) if len(blocks) > 1 else 0


def _blocks(grid: Grid, width: int) -> list[Grid]:
    """Split a grid into as few blocks of columns as fit; each has at least one."""
    blocks, first, count = [], 0, len(grid.headings)
    for last in range(1, count + 1):
        if last == count or not grid.columns(first, last + 1).fits(width):
            blocks.append(grid.columns(first, last))
            first = last
    return blocks


def folded(text: str, width: int) -> list[str]:
    """Break a text into lines, at spaces, and words that are longer than a line anywhere."""
    from rich.cells import chop_cells

    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if _width(longer) <= width:
            line = longer
            continue
        *full, line = [*([line] if line else []), *(chop_cells(word, width) or [""])]
        lines += full
    return [*lines, line]


def rendered(grid: Grid, width: int, rule: str = "─") -> list[Text]:
    """Return the lines of a grid; a line under the headings is made of `rule`."""
    from rich.text import Text

    widths = grid.widths(width)
    head, *body = grid.rows
    lines = _lines_of([replace(part, style=f"bold {part.style}".strip()) for part in head], widths)
    under = Text((rule * (sum(widths) + GAP * (len(widths) - 1))), style="dim")
    return [*lines, under, *(line for row in body for line in _lines_of(row, widths))]


def _lines_of(row: Sequence[Cell], widths: Sequence[int]) -> list[Text]:
    from rich.text import Text

    parts = [cell.lines(width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(_height(row, widths)):
        line = Text()
        for index, (one, width, part) in enumerate(zip(row, widths, parts, strict=True)):
            text = part[number] if number < len(part) else ""
            space = " " * (width - _width(text))
            line.append(" " * GAP if index else "")
            line.append(space if one.right else "")
            line.append(text, style=one.style)
            line.append("" if one.right else space)
        line.rstrip()
        lines.append(line)
    return lines


def _height(row: Sequence[Cell], widths: Sequence[int]) -> int:
    return max(len(cell.lines(width)) for cell, width in zip(row, widths, strict=True))


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def print_grids(grids: Sequence[Grid]) -> None:
    """Print grids on a terminal, with an empty line between them."""
    from rich.console import Console

    console = Console(highlight=False)
    rule = "─" if (console.encoding or "").startswith("utf") else "-"
    for number, grid in enumerate(grids):
        for line in ([""] if number else []) + rendered(grid, console.width, rule):
            console.print(line, soft_wrap=True, markup=False)


def plain_cell(text: object, style: str = "", *, right: bool = False) -> Cell:
    """A cell of any text, with control characters made visible."""
    return Cell(cell(str(text)), style, right=right)
