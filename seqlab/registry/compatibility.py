"""What a plugin, and an experiment, say about the versions that they were written for."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

import seqlab
from seqlab.hookspecs import API
from seqlab.printable import pasted

DECLARATION = "SEQLAB_API"


def written_for(path: Path | None) -> Any:
    """Return the API that a source file declares, without running it; None: it declares none.

    `SEQLAB_API = 1` at the top of a plugin is read before the import, because a plugin that is
    too new may fail there, over a name that this seqlab lacks.
    """
    try:
        return _declared(path.read_bytes()) if path else None
    except (OSError, SyntaxError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _declared(source: bytes) -> Any:
    if DECLARATION.encode() not in source:
        return None
    tree = ast.parse(source)
    for node in tree.body:
        targets = [*getattr(node, "targets", ()), getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if DECLARATION in names and isinstance(getattr(node, "value", None), ast.Constant):
            return node.value.value  # type: ignore[attr-defined] # it was just looked at
    return None


def too_new(declared: Any) -> str:
    """Say in one sentence why a plugin of this API cannot be used; empty where it can."""
    if declared is None:
        return ""
    if type(declared) is not int or declared < 1:
        return f"declares {DECLARATION} = {declared!r}; it should be a number from 1 on"
    if declared <= API:
        return ""
    return (
        f"was written for API {declared} of seqlab, and this is seqlab {seqlab.__version__} with"
        f" API {API}: a newer seqlab has it (pip install --upgrade seqlab)"
    )


def unmet(requirements: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Say of each requirement of an experiment that is not met what to do, by its place."""
    for place, text in enumerate(requirements):
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            said = str(error).splitlines()[0]
            yield place, f"is no requirement such as seqlab-foo>=0.2: {said}"
            continue
        found = _installed(requirement.name)
        wanted = f"{requirement.name}{requirement.specifier}"
        install = pasted(["pip", "install", wanted])
        if not found:
            yield place, f"needs {wanted}, which is not installed: {install}"
        elif not requirement.specifier.contains(found, prereleases=True):
            yield place, f"needs {wanted}; {found} is installed: {install}"


def how_to_install(distribution: str, released: str) -> str:
    """A command that installs a distribution that somebody else named; empty: it is no such name.

    What it names is a name and a version and nothing else, whoever wrote them.
    """
    try:
        canonicalize_name(distribution, validate=True)
        return pasted(["pip", "install", f"{distribution}=={Version(released)}"])
    except (InvalidName, InvalidVersion):
        return ""


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
