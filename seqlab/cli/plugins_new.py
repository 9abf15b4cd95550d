"""`seqlab plugins new`: write a plugin from a template."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from seqlab.cli import completing
from seqlab.cli.options import PATH, PluginChoice, plugin_options
from seqlab.cli.streams import out
from seqlab.printable import one_line, pasted

PLUGINS = Path("plugins")
EXPERIMENT = Path("experiments/jay_rnn.yaml")


@click.command("new")
@click.argument("kind", shell_complete=completing.kinds)
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package with tests, to install and publish.")
@click.option(
    "--into",
    type=PATH,
    metavar="DIR",
    help="The folder for it (default: plugins/; for a package: the working folder).",
)
@plugin_options
def command(kind: str, name: str, package: bool, into: Path | None, plugins: PluginChoice) -> None:
    """Write a plugin file with a component of KIND that works as it is.

    KIND is corpus, tokenizer, sampler, cell, embedding, head, objective, metric,
    evaluation_method, optimizer, schedule, decoder, observer or exporter; NAME is its name in
    experiments, or for `seqlab export`.
    """
    from seqlab.scaffold import check_name, check_unused, scaffold

    check_name(kind, name)
    if into is None:
        into = Path() if package else plugins.folder or PLUGINS
    if into.is_dir() and not package:
        plugins = replace(plugins, folder=into)
    check_unused(kind, name, plugins.load(warn=False))
    for path in scaffold(kind, name, package, into):
        out(one_line(f"written  {path}"))
    out("\nNow: " + "\n     ".join(_next_commands(kind, name, package, into)))


def _next_commands(kind: str, name: str, package: bool, into: Path) -> tuple[str, str]:
    """Two commands to try the plugin."""
    from seqlab.experiment.kinds import KINDS

    if package:
        folder = into / f"seqlab-{name.replace('_', '-')}"
        install = f"{pasted(['cd', folder])} && pip install -e '.[test,lint]' && pytest"
        return install, f"seqlab run experiments/{name}.yaml"
    experiment = EXPERIMENT if EXPERIMENT.exists() else "EXPERIMENT.yaml"
    folder_option = "" if into == PLUGINS else " " + pasted(["--plugins", into])
    command = KINDS[kind].command.replace("NAME", name)
    use = command or f"seqlab run {experiment} {_settings(kind, name)}"
    return (
        f"{use}{folder_option}",
        pasted(["seqlab", "plugins", "check", f"{into / name}.py"]),
    )


def _settings(kind: str, name: str) -> str:
    """The overrides that select a component in an experiment like the one that is shipped."""
    from seqlab.scaffold import setting

    settings = [setting(kind, name)]
    if kind in ("metric", "evaluation_method"):
        settings.insert(0, "evaluation.split=train")
    if kind == "corpus":  # the samples in Chinese do not fit other corpora
        settings.append("samples=null")
    return " ".join(pasted(["--set", value]) for value in settings)
