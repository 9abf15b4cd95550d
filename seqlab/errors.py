"""The errors that a user can meet: each has one clear message and its exit code."""

from collections.abc import Sequence
from dataclasses import dataclass


class SeqlabError(Exception):
    """What went wrong, in words for the person who can mend it."""

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each thing that is wrong."""
        return (str(self),)


class RunFailed(SeqlabError):
    """Training could not go on: a loss that is not finite, a disk that is full.

    `resume_with` are the options with which it can, if it cannot without.
    """

    def __init__(self, message: str, resume_with: str = "") -> None:
        super().__init__(message)
        self.resume_with = resume_with


class Interrupted(SeqlabError):
    """A run ended because it was asked to; everything is saved."""

    def __init__(self, step: int, resume: str, exit_code: int) -> None:
        super().__init__(f"interrupted after step {step}; it is saved. To go on: {resume}")
        self.exit_code = exit_code


class StoppedByHand(Interrupted, KeyboardInterrupt):
    """The same by Ctrl-C, which ends whatever is around the run too: a loop, a test session."""


class UsageError(SeqlabError):
    """The command was called with something that it cannot take."""

    exit_code = 2


class PluginError(SeqlabError):
    """A plugin that is needed failed, or broke its promise."""

    exit_code = 3

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self._lines = lines

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


class Escaped(PluginError):
    """A plugin raised what would end the process, or what looks like an error of the command's.

    That is its cause: `SystemExit`, or a `KeyboardInterrupt` that no Ctrl-C was behind.
    """


class CorpusError(SeqlabError):
    """A corpus cannot be read or cannot be used as it is."""

    exit_code = 4


class CorpusUnavailable(CorpusError):
    """A corpus cannot be had here and now; the experiment may name a stand-in."""


class CheckpointError(SeqlabError):
    """A checkpoint is missing, damaged or of another kind."""

    exit_code = 4


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong with an experiment.

    `where` is `file:line:column` (or the override that said it), `key` the dotted path.
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        """One line, whatever a key or a value may hold."""
        line = ": ".join(part for part in (self.where, self.key, self.message) if part)
        return " ".join(line.split("\n"))


class ExperimentError(SeqlabError):
    """Everything that is wrong with an experiment, at once."""

    exit_code = 2

    def __init__(self, complaints: Sequence[Complaint], *, plugin_at_fault: bool = False) -> None:
        self.complaints = tuple(dict.fromkeys(complaints))
        if plugin_at_fault:
            self.exit_code = PluginError.exit_code
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(map(str, self.complaints))
