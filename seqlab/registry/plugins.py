"""What is known of a plugin after the attempt to load it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from seqlab.experiment.kinds import Kind
from seqlab.registry.signature import Signature
from seqlab.registry.source_hashes import NO_HOME, Dependencies, Home

Key: TypeAlias = tuple[str, str, str]


def component_label(kind: str, name: str) -> str:
    """How messages name a component: its kind, and its name in quotes."""
    return f"{kind} '{name}'"


@dataclass(frozen=True)
class Component:
    """A factory that a plugin offers under a name, with its signature."""

    of: Kind
    name: str
    factory: Callable[..., Any]
    signature: Signature
    plugin: str
    home: Home = NO_HOME

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return self.of.name

    @property
    def key(self) -> Key:
        """What tells it from all others: its plugin, its kind and its name."""
        return self.plugin, self.kind, self.name

    @property
    def label(self) -> str:
        return component_label(self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.label} of plugin '{self.plugin}'"

    def dependencies(self) -> Dependencies:
        """Return the code, data and libraries that it consists of."""
        factory = getattr(self.factory, "func", self.factory)  # of a partial
        module = getattr(factory, "__module__", None) or type(factory).__module__
        return self.home.dependencies(also=module)


class Refused(Exception):
    """A plugin as a whole cannot be used; the message says why."""


@dataclass(frozen=True)
class Problem:
    """Why a plugin, or one of its components (`kind` and `name` set), cannot be used."""

    message: str
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        label = component_label(self.kind, self.name) if self.kind else ""
        return f"{label} {self.message}".lstrip()


@dataclass(frozen=True)
class Plugin:
    """A module that offers components.

    `distribution` and `version` are empty for a dropped-in file; `path` is its source file, if
    known; `seconds` is the duration of its import, of the last one where the cache knows it.
    """

    name: str
    path: Path | None
    distribution: str = ""
    version: str = ""
    components: tuple[Component, ...] = ()
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    home: Home = NO_HOME

    @property
    def label(self) -> str:
        """How messages name it, after the word "plugin"."""
        return f"'{self.name}' ({self.origin})"

    @property
    def origin(self) -> str:
        """A distribution and its version, or a file."""
        if self.distribution:
            return f"{self.distribution} {self.version}"
        return str(self.path)

    def with_problem(self, problem: Problem) -> Plugin:
        return replace(self, problems=(*self.problems, problem))

    @property
    def source(self) -> bytes:
        """The bytes that a dropped-in file was compiled from."""
        return self.home.source or b""

    def source_hash(self) -> str:
        """SHA-256 of all its code; empty if none can be read."""
        return self.home.dependencies().code_hash()

    def matches_source(self, source_hash: str) -> bool:
        """Whether a run that recorded this hash had the same code.

        Earlier versions of seqlab recorded the hash of the plugin's own file only.
        """
        return source_hash in (self.source_hash(), _file_hash(self.path))

    def may_offer(self, name: str) -> bool:
        """Whether the source of a plugin that failed has `name` as a string or as a keyword."""
        try:
            source = self.home.source or (self.path.read_bytes() if self.path else b"")
            tree = ast.parse(source)
        except SyntaxError:
            return name.encode("utf-8", "surrogatepass") in source
        except (OSError, ValueError):
            return False
        return any(
            (isinstance(node, ast.Constant) and node.value == name)
            or (isinstance(node, ast.keyword) and node.arg == name)
            for node in ast.walk(tree)
        )


def _file_hash(path: Path | None) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""

    except OSError:
        return ""
