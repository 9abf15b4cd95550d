"""An error in -> the plugin in whose code it came up.

What a library does is done by whoever called it, so frames of libraries are passed over.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from importlib.metadata import entry_points

from seqlab.registry.discovery import GROUP

DROPPED_IN = "seqlab_dropped_in_"


def plugin_of(error: BaseException) -> str:
    """Name the innermost plugin that an error came through; empty where it came through none."""
    packages = _packages()
    names = (_named(module, packages) for module in _modules(error))
    return next(filter(None, names), "")


def raised_in_plugin(error: BaseException) -> bool:
    """Whether a plugin raised an error or called what did, and not the core on its behalf."""
    packages = _packages()
    for module in _modules(error):
        if _named(module, packages):
            return True
        if _top(module) == "seqlab":
            return False
    return False


def _modules(error: BaseException) -> list[str]:
    """The modules of a traceback's frames, the innermost first."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [str(frame.f_globals.get("__name__")) for frame in reversed(frames)]


def _packages() -> dict[str, str]:
    """The packages that installed plugins lie in, and the distribution of each."""
    found: dict[str, str] = {}
    with suppress(Exception):  # a damaged distribution must not hide the error that is told
        for point in entry_points(group=GROUP):
            if point.dist is not None:
                found[_top(point.module)] = f"{point.dist.name} {point.dist.version}"
    return found


def _named(module: str, packages: dict[str, str]) -> str:
    if module.startswith(DROPPED_IN):
        return f"plugin '{module.removeprefix(DROPPED_IN)}'"
    distribution = packages.get(_top(module))
    return f"{distribution} ({module})" if distribution else ""


def _top(module: str) -> str:
    return module.partition(".")[0]
