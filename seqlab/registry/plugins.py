"""What is known of a plugin once somebody has tried to load it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqlab.registry.signature import Signature
from seqlab.registry.source_hashes import NOWHERE, Home, MadeOf


@dataclass(frozen=True)
class Component:
    """One offer: a factory under a name, with what its signature says."""

    kind: str
    name: str
    factory: Callable[..., Any]
    signature: Signature
    plugin: str
    home: Home = NOWHERE

    def made_of(self) -> MadeOf:
        """Say which code and which libraries it consists of."""
        factory = getattr(self.factory, "func", self.factory)  # of a partial
        module = getattr(factory, "__module__", None) or type(factory).__module__
        return self.home.made_of(also=module)


@dataclass(frozen=True)
class Problem:
    """Why a plugin, or one of its offers (`kind` and `name` set), cannot be used."""

    message: str
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}' {self.message}" if self.kind else self.message


@dataclass(frozen=True)
class Plugin:
    """A module that offers components.

    `distribution` and `version` are empty for a dropped-in file; `path` is its source file, where
    that can be told; `seconds` is how long its import took.
    """

    name: str
    path: Path | None
    distribution: str = ""
    version: str = ""
    components: tuple[Component, ...] = ()
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    home: Home = NOWHERE

    @property
    def origin(self) -> str:
        """Where it comes from, in words: a distribution and its version, or a file."""
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
        """SHA-256 of all code that it consists of; empty where there is none to read."""
        return self.home.made_of().code_hash()

    def may_have_had(self, source_hash: str) -> bool:
        """Whether a run that recorded this hash had the same code.

        What earlier versions of seqlab recorded is the hash of the plugin's own file alone.
        """
        return source_hash in (self.source_hash(), _file_hash(self.path))

    def may_offer(self, name: str) -> bool:
        """Whether a plugin that failed names `name` in its source, as a text or as a keyword."""
        try:
            source = self.home.source or (self.path.read_bytes() if self.path else b"")
        except OSError:
            return False
        try:
            tree = ast.parse(source)
        except SyntaxError:
            return name.encode("utf-8", "surrogatepass") in source
        except ValueError:
            return False
        return any(
            (isinstance(node, ast.Constant) and node.value == name)
            or (isinstance(node, ast.keyword) and node.arg == name)
            for node in ast.walk(tree)
        )


def _file_hash(path: Path | str | None) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except OSError:
        return ""
