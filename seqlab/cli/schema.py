"""`seqlab schema`: for editors and other programs."""

from __future__ import annotations

import click

from seqlab.cli.options import PluginChoice, plugin_options, print_json


@click.command("schema")
@plugin_options
def command(plugins: PluginChoice) -> None:
    """Print a JSON Schema of experiment files with everything that is installed.

    An editor with a YAML language server checks a file whose first line is
    `# yaml-language-server: $schema=schema.json` against it.
    """
    from seqlab.registry.schema import experiment_schema

    print_json(experiment_schema(plugins.know()))
