"""Values for the experiment and the test of a new package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from typing import Any

from seqlab.experiment.kinds import KINDS
from seqlab.experiment.yaml12 import dump_flow

OPTIONS: dict[str, dict[str, Any]] = {
    "corpus": {"numbers": 20},
    "tokenizer": {"mark_ends": True},
    "sampler": {"batch_size": 4, "window": 16},
    "cell": {"hidden_size": 32},
    "embedding": {"size": 24},
    "head": {"rank": 8},
    "objective": {"factor": 0.2},
    "metric": {"depth": 5},
    "evaluation_method": {"share": 0.2},
    "optimizer": {"lr": 0.5, "momentum": 0.5},
    "schedule": {"rising": 0.5},
    "decoder": {"candidates": 3},
    "observer": {"every": 1},
    "exporter": {"digits": 5},
}
"""Of the component in a template: small, and different from its defaults."""

SECTIONS: dict[str, Any] = {
    "corpus": {"name": "original_lyrics", "max_characters": 4000},
    "tokenizer": "characters",
    "sampler": {"name": "consecutive", "batch_size": 8, "window": 20},
    "model": {"embedding": "one_hot"},
    "cell": {"name": "gru", "hidden_size": 32},
    "objective": "next_token",
    "optimizer": {"name": "adam", "lr": 0.01, "clip_norm": 1.0},
    "schedule": "constant",
    "train": {"epochs": 10, "seed": 0},
    "evaluation": {"every": "5 epochs", "split": "train"},
    "decoder": "greedy",
    "observers": [],
    "samples": {"every": 10, "prefixes": ["分开"], "length": 20},
}
"""Of a small experiment, in order."""
_LEFT_OUT = ("objective", "evaluation")
_PLACES = {
    "embedding": "model.embedding",
    "head": "model.head",
    "metric": "evaluation.metrics",
    "evaluation_method": "evaluation.methods",
    "observer": "observers",
}
_LISTED = ("metric", "evaluation_method", "observer")
_LIBRARIES = ("numpy", "pydantic", "torch")


def experiment(kind: str, name: str) -> str:
    """An experiment with the new component in YAML, a line for each section."""
    if KINDS[kind].command:
        return _yaml({k: v for k, v in SECTIONS.items() if k not in _LEFT_OUT})
    key, value = _section(kind, name)
    values = {k: v for k, v in SECTIONS.items() if k not in _LEFT_OUT or k == key}
    values[key] = value
    if kind == "corpus":
        values["samples"] = {**SECTIONS["samples"], "prefixes": ["2 + 3 ="]}
    return _yaml(values)


def usage(kind: str, name: str) -> str:
    """How to use the component: the line of an experiment that names it, or a command."""
    if command := KINDS[kind].command:
        return f"With a run of yours: `{command.replace('NAME', name)}`."
    return f"In an experiment of yours: `{_yaml(dict([_section(kind, name)]))}`."


def setting(kind: str, name: str) -> str:
    """The override that selects a component with its defaults, as in `cell=mine`."""
    return f"{_PLACES.get(kind, kind)}={dump_flow(_listed(kind, name))}"


def arguments(kind: str) -> str:
    """The options as arguments of a call, one on each line."""
    return "\n".join(f"    {key}={value!r}," for key, value in OPTIONS[kind].items())


def dependencies(source: str, version: str) -> str:
    """The requirements of a module in TOML: this seqlab, and the libraries that it imports."""
    minor = ".".join(version.split(".")[:2])
    return ", ".join(f'"{name}"' for name in [f"seqlab>={minor}", *_imported(source)])


def _imported(source: str) -> Iterator[str]:
    """The libraries that a module imports, with the versions that seqlab itself requires."""
    for requirement in requires("seqlab") or ():
        library = re.split(r"\W", requirement)[0]
        pattern = rf"^(from|import) {library}\b"
        if library in _LIBRARIES and re.search(pattern, source, re.MULTILINE):
            yield requirement


def _section(kind: str, name: str) -> tuple[str, Any]:
    """The section that names the component, and what stands there."""
    value = _listed(kind, {"name": name, **OPTIONS[kind]})
    key, _, inner = _PLACES.get(kind, kind).partition(".")
    return key, {**SECTIONS[key], inner: value} if inner else value


def _yaml(sections: Mapping[str, Any]) -> str:
    return "\n".join(f"{key}: {dump_flow(value)}" for key, value in sections.items())


def _listed(kind: str, value: Any) -> Any:
    return [value] if kind in _LISTED else value
