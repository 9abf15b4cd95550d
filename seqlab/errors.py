"""The errors that a user can meet: each has one clear message and its exit code."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.printable import from_here, one_line, visible
from seqlab.remedies import Override as Override
from seqlab.remedies import PluginFolder as PluginFolder
from seqlab.remedies import Resumption
from seqlab.remedies import WithoutPlugin as WithoutPlugin
from seqlab.urls import without_secrets


class SeqlabError(Exception):
    """An error with a message for the person who can fix it."""

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each problem."""
        return (str(self),)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it: its lines, without the calls that led to it."""
        name, lines = type(self).__name__, [one_line(from_here(line)) for line in self.lines]
        return [f"{name}: {lines[0]}"] if len(lines) == 1 else [f"{name}:", *lines]


class RunFailed(SeqlabError):
    """Training could not go on: a loss that is not finite, a full disk.

    `resume_with` are the overrides with which it can be resumed.
    """

    def __init__(self, message: str, resume_with: Sequence[Override] = ()) -> None:
        super().__init__(message)
        self.resume_with = resume_with


class Interrupted(SeqlabError):
    """A run was interrupted; everything is saved."""

    def __init__(self, step: int, resume: Resumption, exit_code: int) -> None:
        super().__init__(f"interrupted after step {step}; it is saved. To go on: {resume}")
        self.exit_code = exit_code


class StoppedByHand(Interrupted, KeyboardInterrupt):
    """A run was interrupted by Ctrl-C, which also ends code around it: a loop, a test session."""


class UsageError(SeqlabError):
    """An argument is not valid."""

    exit_code = 2


class PluginError(SeqlabError):
    """A required plugin failed, or broke its contract."""

    exit_code = 3

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self._lines = lines

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


class Escaped(PluginError):
    """A plugin raised `SystemExit`, or `KeyboardInterrupt` without Ctrl-C; that is the cause."""

    def _render_traceback_(self) -> list[str]:
        """All of it, as it is a bug."""
        return visible("".join(traceback.format_exception(self))).splitlines()


class CorpusError(SeqlabError):
    """A corpus cannot be read or cannot be used as it is."""

    exit_code = 4


class CorpusUnavailable(CorpusError):
    """A corpus is not available here and now; the experiment may name a stand-in."""


class CheckpointError(SeqlabError):
    """A checkpoint is missing, damaged or of another kind."""

    exit_code = 4


@dataclass(frozen=True)
class Complaint:
    """One problem of an experiment: at `file:line:column`, or an override; `key` is dotted."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        """One line, even if a key or a value has several, and without passwords of URLs."""
        line = ": ".join(part for part in (self.where, self.key, self.message) if part)
        return without_secrets(" ".join(line.split("\n")))


class ExperimentError(SeqlabError):
    """All problems of an experiment."""

    exit_code = 2

    def __init__(self, complaints: Sequence[Complaint], *, plugin_at_fault: bool = False) -> None:
        self.complaints = tuple(dict.fromkeys(complaints))
        if plugin_at_fault:
            self.exit_code = PluginError.exit_code
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(map(str, self.complaints))
