"""What helps against an error: data, which the front end of a process puts into its own words.

A message names a remedy, such as another value of a key; Python words it as an argument, the
command as its option (`seqlab.cli.remedies`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Remedy:
    """It reads as the front end words it, at the time at which it becomes text."""

    def __str__(self) -> str:
        return _words[-1](self)


@dataclass(frozen=True)
class Override(Remedy):
    """Another value of a key, `key=value`."""

    text: str


@dataclass(frozen=True)
class PluginFolder(Remedy):
    """A folder whose plugins are loaded."""

    path: str | os.PathLike[str]


@dataclass(frozen=True)
class WithoutPlugin(Remedy):
    """A plugin that is left out."""

    name: str


@dataclass(frozen=True)
class Argument(Remedy):
    """An argument of what was called, such as `run_dir`."""

    name: str


@dataclass(frozen=True)
class OptionValue(Remedy):
    """An option of a component, with a value that it should have."""

    name: str
    value: str


@dataclass(frozen=True)
class Verb(Remedy):
    """Something else to call: `runs`, `eval` or `resume`."""

    name: str


@dataclass(frozen=True)
class Resumption(Remedy):
    """Going on with the run in a folder; `plugin_options` are those of the command."""

    run: str | os.PathLike[str]
    overrides: Sequence[Override] = ()
    plugin_options: Sequence[str] = ()


Words: TypeAlias = Callable[[Remedy], str]

_VERBS = {"runs": "seqlab.runs()", "eval": "run.evaluate()", "resume": "run.resume()"}


def in_python(remedy: Remedy) -> str:
    """Word a remedy for who calls functions."""
    match remedy:
        case Override(text):
            return f"overrides=[{_quoted(text)}]"
        case PluginFolder(path):
            return f"seqlab.load_plugins({_quoted(os.fspath(path))})"
        case WithoutPlugin(name):
            return f"seqlab.load_plugins(without=[{_quoted(name)}])"
        case Verb(name):
            return f"`{_VERBS[name]}`"
        case Resumption(run, overrides):
            texts = ", ".join(_quoted(override.text) for override in overrides)
            arguments = f"overrides=[{texts}]" if texts else ""
            return f"seqlab.open_run({_quoted(os.fspath(run))}).resume({arguments})"
        case Argument(name):
            return f"`{name}`"
        case OptionValue(name, value):
            return f"`{name}: {value}`"
    raise TypeError(f"{type(remedy).__name__} has no words")


_words: list[Words] = [in_python]


@contextmanager
def worded(words: Words) -> Iterator[None]:
    """Word every remedy of this process, in all its threads, in another way inside the block."""
    _words.append(words)
    try:
        yield
    finally:
        _words.remove(words)


def _quoted(text: str) -> str:
    """A text as Python writes it, in double quotes where that needs no escape."""
    quoted = repr(text)
    return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in text else quoted
