"""A run that somebody looks at: its rows, samples and log as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqlab.errors import SeqlabError
from seqlab.printable import visible
from seqlab.runs.file_schemas import MetricsRow, SampleRow, parse
from seqlab.runs.folder import RunFolder
from seqlab.web.encoding import event
from seqlab.web.lines import Lines, Read

MOST_ROWS = 8_000  # of each split: more than are seen on a screen
MOST_SAMPLES, MOST_LOG = 200, 400  # the last ones
NOT_DRAWN = ("split", "tokens", "seconds")
BYTES_OF_ROWS, BYTES_OF_TEXT = 256 << 20, 1 << 20


@dataclass(frozen=True)
class News:
    """What was read of a run's files at one time; `…_anew`: it takes the place of what was."""

    rows: list[dict[str, Any]]
    rows_anew: bool
    samples: list[dict[str, Any]]
    samples_anew: bool
    log: list[str]
    log_anew: bool
    problem: str = ""

    def __bool__(self) -> bool:
        """Whether there is anything new."""
        return any(vars(self).values())


@dataclass
class Followed:
    """The files of one run, read further at each `read`; `take` adds what was read to the whole."""

    id: str
    folder: RunFolder
    rows: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    problem: str = ""

    def __post_init__(self) -> None:
        self._metrics = Lines(self.folder.metrics, BYTES_OF_ROWS)
        self._samples = Lines(self.folder.samples, BYTES_OF_TEXT)
        self._log = Lines(self.folder.log, BYTES_OF_TEXT)
        self._whole = b""
        self._columns: dict[str, dict[str, None]] = {}

    def read(self) -> News:
        """Read what is new; it changes nothing here but the places in the files."""
        try:
            rows, samples, log = (f.read() for f in (self._metrics, self._samples, self._log))
        except OSError as error:
            problem = f"{error.filename or self.folder.path}: {error.strerror or error}"
            return News([], False, [], False, [], False, self._new_problem(problem))
        problems: list[str] = []
        return News(
            [_plain(row) for row in self._parsed(MetricsRow, rows, problems)],
            rows.anew,
            self._parsed(SampleRow, samples, problems)[-MOST_SAMPLES:],
            samples.anew,
            [visible(line.decode("utf-8", "replace")) for line in log.lines[-MOST_LOG:]],
            log.anew,
            self._new_problem(problems[0]) if problems else "",
        )

    def take(self, news: News) -> bytes:
        """Add what was read to the whole; return the events that tell it."""
        self.rows = _thinned((() if news.rows_anew else self.rows), news.rows)
        self.samples = [*(() if news.samples_anew else self.samples), *news.samples]
        self.samples = self.samples[-MOST_SAMPLES:]
        self.log = [*(() if news.log_anew else self.log), *news.log][-MOST_LOG:]
        self.problem = news.problem or self.problem
        self._whole = b""
        return self._told(news)

    def whole(self) -> bytes:
        """Return the events that tell all of it, to somebody who begins to look."""
        everything = (self.rows, True, self.samples, True, self.log, True, self.problem)
        self._whole = self._whole or self._told(News(*everything))
        return self._whole

    def _told(self, news: News) -> bytes:
        parts = []
        if news.rows or news.rows_anew:
            parts.append(self._rows(news.rows, news.rows_anew))
        if news.samples or news.samples_anew:
            told = {"anew": news.samples_anew, "samples": news.samples}
            parts.append(event("samples", {"run": self.id, **told}))
        log = [*news.log, *([f"! {news.problem}"] if news.problem else [])]
        if log or news.log_anew:
            parts.append(event("log", {"run": self.id, "anew": news.log_anew, "lines": log}))
        return b"".join(parts)

    def _rows(self, rows: list[dict[str, Any]], anew: bool) -> bytes:
        """The rows of each split by column; all of them if there is a column that was not there."""
        names = {split: dict.fromkeys(found) for split, found in _names(rows).items()}
        for split, found in names.items():
            known = self._columns.setdefault(split, {})
            anew = anew or bool(found.keys() - known.keys())
            known |= found
        rows = self.rows if anew else rows
        splits = {
            split: {name: [row.get(name) for row in own] for name in self._columns[split]}
            for split, own in _by_split(rows).items()
        }
        return event("rows", {"run": self.id, "anew": anew, "splits": splits})

    def _parsed(self, schema: type, read: Read, problems: list[str]) -> list[dict[str, Any]]:
        """The lines that are as they should be."""
        rows = []
        for line in read.lines:
            try:
                rows.append(parse(schema, line, str(self.folder.path.name)))
            except SeqlabError as error:
                problems.append(str(error))
        return rows

    def _new_problem(self, problem: str) -> str:
        """A problem that was not told yet."""
        return "" if problem == self.problem else problem


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its split and its numbers; other values cannot be drawn."""
    is_kept = {name: name == "split" or type(value) in (int, float) for name, value in row.items()}
    return {name: value if is_kept[name] else None for name, value in row.items()}


def _by_split(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    splits: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        splits.setdefault(row["split"], []).append(row)
    return splits


def _names(rows: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """The columns of each split that are drawn."""
    return {
        split: [name for row in own for name in row if name not in NOT_DRAWN]
        for split, own in _by_split(rows).items()
    }


def _thinned(
    before: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Both together; of a split with too many rows every second one, and the last."""
    rows = [*before, *new]
    if len(rows) <= MOST_ROWS:
        return rows
    for split, own in _by_split(rows).items():
        while len(own) > MOST_ROWS:
            own = [*own[:-1:2], own[-1]]
        kept = set(map(id, own))
        rows = [row for row in rows if row["split"] != split or id(row) in kept]
    return rows
