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
BYTES_OF_ROWS, BYTES_OF_TEXT = 256 << 20, 1 << 20


@dataclass(frozen=True)
class News:
    """What was read of a run's files at one time."""

    rows: list[dict[str, Any]]
    rows_anew: bool
    samples: list[dict[str, Any]]
    samples_anew: bool
    log: list[str]
    log_anew: bool
    problem: str = ""

    def events(self, run: str) -> bytes:
        """Return the events that tell it, for one run."""
        parts = []
        if self.rows or self.rows_anew:
            parts.append(event("rows", _columns(run, self.rows, self.rows_anew)))
        if self.samples or self.samples_anew:
            told = {"run": run, "anew": self.samples_anew, "samples": self.samples}
            parts.append(event("samples", told))
        if self.log or self.log_anew:
            parts.append(event("log", {"run": run, "anew": self.log_anew, "lines": self.log}))
        if self.problem:
            parts.append(event("problem", {"run": run, "problem": self.problem}))
        return b"".join(parts)


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

    def take(self, news: News) -> None:
        """Add what was read to the whole."""
        self.rows = _thinned((() if news.rows_anew else self.rows), news.rows)
        self.samples = [*(() if news.samples_anew else self.samples), *news.samples]
        self.samples = self.samples[-MOST_SAMPLES:]
        self.log = [*(() if news.log_anew else self.log), *news.log][-MOST_LOG:]
        self.problem = news.problem or self.problem

    def whole(self) -> bytes:
        """Return the events that tell all of it, to somebody who begins to look."""
        everything = (self.rows, True, self.samples, True, self.log, True, self.problem)
        return News(*everything).events(self.id)

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
    """A row with its split and its numbers; columns of other kinds cannot be drawn."""
    return {k: v for k, v in row.items() if k == "split" or type(v) in (int, float)}


def _thinned(
    before: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Both together; of a split with too many rows every second one, and the last."""
    rows = [*before, *new]
    if len(rows) <= MOST_ROWS:
        return rows
    for split in {row["split"] for row in rows}:
        places = [i for i, row in enumerate(rows) if row["split"] == split]
        while len(places) > MOST_ROWS:
            places = sorted({*places[::2], places[-1]})
        kept = set(places)
        rows = [row for i, row in enumerate(rows) if row["split"] != split or i in kept]
    return rows


def _columns(run: str, rows: Iterable[dict[str, Any]], anew: bool) -> dict[str, Any]:
    """Rows as lists, which are a third as long as objects."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    values = [[row.get(name) for name in names] for row in rows]
    return {"run": run, "anew": anew, "names": names, "values": values}
