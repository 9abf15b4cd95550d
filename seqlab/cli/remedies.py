"""What helps against an error, as options of the command."""

from __future__ import annotations

from seqlab.printable import pasted
from seqlab.remedies import (
    Argument,
    OptionValue,
    Override,
    PluginFolder,
    Remedy,
    Resumption,
    Verb,
    WithoutPlugin,
)


def as_options(remedy: Remedy) -> str:
    """Word a remedy for who types commands."""
    match remedy:
        case Override(text):
            return f"--set {text}"
        case PluginFolder(path):
            return f"--plugins {pasted([path])}"
        case WithoutPlugin(name):
            return f"--no-plugin {name}"
        case Argument(name):
            return f"--{name.replace('_', '-')}"
        case OptionValue(name, value):
            return f"`{name}: {value}`"
        case Verb(name):
            return f"`seqlab {name}`"
        case Resumption(run, overrides, options):
            words = [word for override in overrides for word in ("--set", override.text)]
            return pasted(["seqlab", "resume", run, *words, *options])
    raise TypeError(f"{type(remedy).__name__} has no words")


def as_options_of_texts(remedy: Remedy) -> str:
    """Word a remedy where files of text are arguments."""
    match remedy:
        case OptionValue("encoding", value):
            return f"`--encoding {value}`"
        case OptionValue(name, value):
            return f"`seqlab eval --corpus '{{name: text, {name}: {value}, …}}'`"
    return as_options(remedy)
