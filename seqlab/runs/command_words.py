"""The command's words that a run folder keeps: the one place below `cli/` that knows its options.

`run.json` has them by its format, so that the command can say how a run goes on.
"""

from __future__ import annotations

from seqlab.registry.catalogue import PluginChoice


def plugin_options(choice: PluginChoice) -> list[str]:
    """Return the options that load the same plugins."""
    folder = [] if choice.folder is None else ["--plugins", choice.folder]
    local = [] if choice.local else ["--no-local-plugins"]
    return [*folder, *local, *(word for name in choice.without for word in ("--no-plugin", name))]
