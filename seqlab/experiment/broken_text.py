"""A text at which a parser of YAML failed, as what looks for the mistake needs it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import yaml

from seqlab.printable import one_line

ENDS_OF_LINES = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Fault(NamedTuple):
    """A mistake; `line` and `column` count from 0."""

    line: int
    column: int
    message: str


@dataclass(frozen=True)
class BrokenText:
    """A text that is no YAML, and how a parser failed at it."""

    text: str
    loader: Any
    error: yaml.MarkedYAMLError

    @property
    def problem(self) -> str:
        return f"{self.error.context or ''}: {self.error.problem or ''}"

    @cached_property
    def mark(self) -> Any:
        return self.error.problem_mark or self.error.context_mark

    @cached_property
    def lines(self) -> list[str]:
        return ENDS_OF_LINES.split(self.text)

    @property
    def line(self) -> str:
        """The line in which the parser failed."""
        return str(self.lines[self.mark.line])

    @property
    def character(self) -> str:
        """The one at which it failed; empty at the end."""
        return self.text[self.mark.index : self.mark.index + 1]

    @cached_property
    def tokens(self) -> list[Any]:
        """As far as the text can be cut into them; that may be further than it can be parsed."""
        tokens: list[Any] = []
        with suppress(yaml.YAMLError):
            for token in yaml.scan(self.text, Loader=self.loader):
                tokens.append(token)
        return tokens

    def before(self, line: int) -> int | None:
        """The last line before another that has more than a comment."""
        above = range(line - 1, -1, -1)
        return next((n for n in above if has_content(self.lines[n])), None)

    def has(self, *problems: str) -> bool:
        return any(problem in self.problem for problem in problems)


def here(where: BrokenText, message: str) -> Fault:
    return Fault(where.mark.line, where.mark.column, message)


def has_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def spaces(count: int) -> str:
    return f"{count} space{'' if count == 1 else 's'}"


def shown(text: str) -> str:
    """The beginning of a text in quotes."""
    text = one_line(text.strip())
    return f"'{text}'" if len(text) <= 30 else f"'{text[:29]}…'"
