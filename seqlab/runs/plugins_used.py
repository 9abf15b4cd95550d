"""The plugins that a run was made with, and those that are here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from seqlab.errors import ExperimentError, PluginError
from seqlab.experiment import Experiment
from seqlab.printable import pasted
from seqlab.registry import Registry, Resolved, resolve
from seqlab.registry.compatibility import install_command
from seqlab.runs.folder import RunFolder

log = logging.getLogger(__name__)


def resolve_again(experiment: Experiment, registry: Registry, folder: RunFolder) -> Resolved:
    """Resolve what a run was made of; say which of its plugins are missing.

    Raises:
        PluginError: a plugin that the run used is not here; with what to install, or where the
            run keeps a copy.
        ExperimentError: something else in the experiment cannot be resolved.
    """
    try:
        return resolve(experiment, registry)
    except ExperimentError as error:
        missing = list(_missing(folder.description(), registry, folder))
        if missing:
            raise PluginError(*error.lines, *missing) from error
        raise


def say_what_changed(registry: Registry, folder: RunFolder) -> None:
    """Say which plugins of a run are here in another version, or with another source."""
    for sentence in _changed(folder.description(), registry):
        log.warning(sentence)


def _missing(known: Mapping[str, Any], registry: Registry, folder: RunFolder) -> Iterator[str]:
    """One sentence for each plugin that the run used and that cannot be used here."""
    here = {plugin.name for plugin in registry.plugins if plugin.components}
    for used in known["plugins"]:
        if used["name"] in here:
            continue
        if used["distribution"]:
            released = used["version"] or ""
            install = install_command(used["distribution"], released)
            wanted = f"{used['distribution']}=={released}"
            yield (
                f"The run used plugin '{used['name']}' of {wanted}: {install}"
                if install
                else f"The run used plugin '{used['name']}' of '{wanted}', which is no distribution"
            )
        else:
            yield (
                f"The run used the dropped-in plugin '{used['name']}', of which it keeps a copy."
                f" If you trust it: {pasted(['--plugins', folder.plugins])}"
            )


def _changed(known: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    here = {plugin.name: plugin for plugin in registry.plugins}
    for used in known["plugins"]:
        plugin = here.get(used["name"])
        if plugin is None:
            continue
        if (plugin.version or None) != used["version"]:
            now = plugin.origin
            before = f"{used['distribution'] or 'a file'} {used['version'] or ''}".strip()
            yield f"plugin '{plugin.name}' is now {now}; the run was made with {before}"
        elif not plugin.matches_source(used["source_sha256"]):
            yield f"plugin '{plugin.name}' ({plugin.origin}) has another source than the run's"
