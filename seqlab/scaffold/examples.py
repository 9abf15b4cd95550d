"""Values for the experiment and the test of a new package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from typing import Any

from seqlab.experiment.yaml12 import dump_flow

OPTIONS: dict[str, dict[str, Any]] = {
    "corpus": {"numbers": 20},
    "tokenizer": {"mark_ends": True},
    "sampler": {"batch_size": 4, "window": 16},
    "cell": {"hidden_size": 32},
    "optimizer": {"lr": 0.5, "momentum": 0.5},
    "schedule": {"rising": 0.5},
    "decoder": {"candidates": 3},
    "observer": {"every": 1},
}
"""Of the component in a template: small, and different from its defaults."""

SECTIONS: dict[str, Any] = {
    "corpus": {"name": "original_lyrics", "max_characters": 4000},
    "tokenizer": "characters",
    "sampler": {"name": "consecutive", "batch_size": 8, "window": 20},
    "cell": {"name": "gru", "hidden_size": 32},
    "optimizer": {"name": "adam", "lr": 0.01, "clip_norm": 1.0},
    "schedule": "constant",
    "decoder": "greedy",
    "observers": [],
}
"""Of a small experiment."""
_LIBRARIES = ("numpy", "pydantic", "torch")


def sections(kind: str, name: str) -> dict[str, str]:
    """The sections of an experiment with the new component, each as YAML."""
    values = dict(SECTIONS, **dict([_section(kind, name)]))
    prefix = "2 + 3 =" if kind == "corpus" else "分开"
    return {key: dump_flow(value) for key, value in values.items()} | {"prefix": prefix}


def usage(kind: str, name: str) -> str:
    """The line of an experiment that names the component."""
    key, value = _section(kind, name)
    return f"{key}: {dump_flow(value)}"


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
    value: Mapping[str, Any] = {"name": name, **OPTIONS[kind]}
    return ("observers", [value]) if kind == "observer" else (kind, value)
