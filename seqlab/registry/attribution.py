"""An error in -> the plugin whose code raised it.

An error in a library is attributed to its caller: frames of libraries are skipped.
"""

from __future__ import annotations

import traceback
from contextlib import suppress

from seqlab.registry.discovery import DROPPED_IN, GROUP, top_package


def plugin_of(error: BaseException) -> str:
    """Name the innermost plugin in the traceback; empty if there is none."""
    packages = _packages()
    return next((name for m in _modules(error) if (name := _plugin_name(m, packages))), "")


def raised_in_plugin(error: BaseException) -> bool:
    """Whether a plugin is further in than seqlab's own code in the traceback."""
    packages = _packages()
    for module in _modules(error):
        if _plugin_name(module, packages):
            return True
        if top_package(module) == "seqlab":
            return False
    return False


def _modules(error: BaseException) -> list[str]:
    """The modules of a traceback's frames, the innermost first."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [str(frame.f_globals.get("__name__")) for frame in reversed(frames)]


def _packages() -> dict[str, str]:
    """The top-level packages of installed plugins, each with its distribution and version."""
    from importlib.metadata import entry_points

    packages: dict[str, str] = {}
    with suppress(Exception):  # a damaged distribution must not hide the error that is reported
        for point in entry_points(group=GROUP):
            if point.dist is not None:
                packages[top_package(point.module)] = f"{point.dist.name} {point.dist.version}"
    return packages


def _plugin_name(module: str, packages: dict[str, str]) -> str:
    if module.startswith(DROPPED_IN):
        return f"plugin '{module.removeprefix(DROPPED_IN)}'"
    distribution = packages.get(top_package(module))
    return f"{distribution} ({module})" if distribution else ""
