"""The command's words that a run folder keeps: the one place below `cli/` that knows its options.

`run.json` has them by its format, and `log.txt` says with them how a run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqlab.errors import Override
from seqlab.printable import pasted
from seqlab.registry.catalogue import PluginChoice


def plugin_options(choice: PluginChoice) -> list[str]:
    """Return the options that load the same plugins."""
    folder = [] if choice.folder is None else ["--plugins", choice.folder]
    local = [] if choice.local else ["--no-local-plugins"]
    return [*folder, *local, *(word for name in choice.without for word in ("--no-plugin", name))]


def resume_command(run: Path, overrides: Sequence[Override], options: Sequence[str]) -> str:
    """Return the command that goes on with a run, to be pasted into a shell."""
    words = [word for override in overrides for word in ("--set", override.text)]
    return pasted(["seqlab", "resume", run, *words, *options])
