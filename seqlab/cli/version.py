"""`seqlab version`: what is installed, for a report of a bug. Nothing of it is imported."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from seqlab import __version__
from seqlab.cli.options import json_option, print_json, print_table

if TYPE_CHECKING:
    from packaging.markers import Marker

FOR_DEVELOPERS = ("docs", "lint", "test")


@click.command("version")
@json_option
def command(as_json: bool) -> None:
    """Show the versions of seqlab, Python and torch, of extras, and of packages with plugins."""
    facts = _facts()
    if as_json:
        print_json(facts)
    else:
        print_table(("what", "version"), list(_rows(facts)))


def _facts() -> dict[str, Any]:
    from seqlab.registry.discovery import offerings

    return {
        "seqlab": __version__,
        "python": platform.python_version(),
        "torch": _version("torch"),
        "platform": platform.platform(),
        "executable": sys.executable,
        "extras": _extras(),
        "plugins": {offering.name: offering.version for offering in offerings()},
    }


def _version(distribution: str) -> str | None:
    """The version of a distribution; None: it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution)
    return None


def _extras() -> dict[str, dict[str, str | None]]:
    """The packages of each extra, with the versions that are installed."""
    from packaging.requirements import Requirement

    extras: dict[str, dict[str, str | None]] = {}
    with suppress(metadata.PackageNotFoundError):  # it is run from its sources
        own = metadata.metadata("seqlab")
        needs = [Requirement(line) for line in metadata.requires("seqlab") or ()]
        for extra in own.get_all("Provides-Extra") or ():
            asked = [need for need in needs if need.marker and _is_of(need.marker, extra)]
            extras[extra] = {need.name: _version(need.name) for need in asked}
    return extras


def _is_of(marker: Marker, extra: str) -> bool:
    return marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("seqlab", "python", "torch", "platform"):
        yield name, facts[name] or "not installed"
    for extra, packages in facts["extras"].items():
        if extra not in FOR_DEVELOPERS:
            yield f"extra {extra}", _in_words(extra, packages)
    for name, version in facts["plugins"].items():
        if name != "seqlab":
            yield f"plugins of {name}", version


def _in_words(extra: str, packages: Mapping[str, str | None]) -> str:
    """The packages of an extra that are there, or how to have it."""
    missing = [name for name, version in packages.items() if version is None]
    if missing:
        return f"not installed: pip install 'seqlab[{extra}]'"
    return ", ".join(f"{name} {version}" for name, version in packages.items())
