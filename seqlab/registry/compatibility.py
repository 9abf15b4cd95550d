"""The versions that plugins and experiments require."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import seqlab
from seqlab.printable import pasted

DECLARATION = "SEQLAB_API"


def declared_api(path: Path | None) -> Any:
    """Return the value of `SEQLAB_API` in a source file; None: it declares none.

    It is read before the import, which may fail if the plugin is too new.
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
            return node.value.value  # type: ignore[attr-defined] # it was just checked
    return None


def why_too_new(declared: Any) -> str:
    """Return in one sentence why a plugin of this API cannot be used; empty if it can."""
    from seqlab.hookspecs import API

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


def unmet_requirements(requirements: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Yield the index of each requirement that is not met, and a message that says what to do."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    for index, text in enumerate(requirements):
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            problem = str(error).splitlines()[0]
            yield index, f"is not a requirement such as seqlab-foo>=0.2: {problem}"
            continue
        required = f"{requirement.name}{requirement.specifier}"
        install = pasted(["pip", "install", required])
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = ""
        if not installed:
            yield index, f"needs {required}, which is not installed: {install}"
        elif not requirement.specifier.contains(installed, prereleases=True):
            yield index, f"needs {required}; {installed} is installed: {install}"


def install_command(distribution: str, released: str) -> str:
    """A command that installs a distribution; empty if name or version are malformed.

    Both may come from a stranger, so nothing else gets into the command.
    """
    from packaging.utils import InvalidName, canonicalize_name
    from packaging.version import InvalidVersion, Version

    try:
        canonicalize_name(distribution, validate=True)
        return pasted(["pip", "install", f"{distribution}=={Version(released)}"])
    except (InvalidName, InvalidVersion):
        return ""
