"""Compare the plugins that a run used with the installed ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from seqlab.errors import ExperimentError, PluginError, PluginFolder
from seqlab.experiment import Experiment
from seqlab.registry import Registry, Resolved, resolve
from seqlab.registry.compatibility import install_command
from seqlab.runs.folder import RunFolder

log = logging.getLogger(__name__)


def resolve_again(experiment: Experiment, registry: Registry, folder: RunFolder) -> Resolved:
    """Resolve the experiment of a run; raise PluginError if a plugin is missing."""
    try:
        return resolve(experiment, registry)
    except ExperimentError as error:
        missing = list(_missing(folder.description(), registry, folder))
        if missing:
            raise PluginError(*error.lines, *missing) from error
        raise


def warn_of_changed_plugins(registry: Registry, folder: RunFolder) -> None:
    """Log which plugins of a run have another version or source now."""
    plugins = {plugin.name: plugin for plugin in registry.plugins}
    for used in folder.description()["plugins"]:
        plugin = plugins.get(used["name"])
        if plugin is None:
            continue
        name, origin = plugin.name, plugin.origin
        if (plugin.version or None) != used["version"]:
            before = f"{used['distribution'] or 'a file'} {used['version'] or ''}".strip()
            log.warning("plugin '%s' is now %s; the run was made with %s", name, origin, before)
        elif not plugin.matches_source(used["source_sha256"]):
            log.warning("plugin '%s' (%s) has another source than the run's", name, origin)


def _missing(
    description: Mapping[str, Any], registry: Registry, folder: RunFolder
) -> Iterator[str]:
    """Yield a message for each plugin that the run used and that is not usable now."""
    usable = {plugin.name for plugin in registry.plugins if plugin.components}
    for used in description["plugins"]:
        if used["name"] in usable:
            continue
        if used["distribution"]:
            version = used["version"] or ""
            install = install_command(used["distribution"], version)
            release = f"{used['distribution']}=={version}"
            source = (
                f"{release}: {install}" if install else f"'{release}', which is not a distribution"
            )
            yield f"The run used plugin '{used['name']}' of {source}"
        else:
            yield (
                f"The run used the dropped-in plugin '{used['name']}', of which it keeps a copy."
                f" If you trust it: {PluginFolder(folder.plugins)}"
            )
