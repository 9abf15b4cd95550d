"""`seqlab plugins new`: a plugin to begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from seqlab.cli.options import PATH, PluginChoice, plugin_options
from seqlab.cli.streams import out
from seqlab.printable import one_line, pasted

_DROPPED_IN = Path("plugins")
_TRY = Path("experiments/jay_rnn.yaml")


@click.command("new")
@click.argument("kind")
@click.argument("name")
@click.option("--package", is_flag=True, help="A package to install and publish, with tests.")
@click.option(
    "--into",
    type=PATH,
    metavar="DIR",
    help="Where it is put (default: plugins/; a package: the working folder).",
)
@plugin_options
def command(kind: str, name: str, package: bool, into: Path | None, plugins: PluginChoice) -> None:
    """Write a plugin with a component of KIND that works as it is: a file to drop in.

    KIND is corpus, tokenizer, sampler, cell, optimizer, schedule, decoder or observer; NAME is
    what experiments will call it.
    """
    from seqlab.scaffold import check_name, check_unused, scaffold

    check_name(kind, name)
    if into is None:
        into = Path() if package else plugins.folder or _DROPPED_IN
    if into.is_dir() and not package:
        plugins = replace(plugins, folder=into)
    check_unused(kind, name, plugins.load(say=False))
    for path in scaffold(kind, name, package, into):
        out(one_line(f"written  {path}"))
    out("\nNow: " + "\n     ".join(_next(kind, name, package, into)))


def _next(kind: str, name: str, package: bool, into: Path) -> tuple[str, str]:
    """Two commands to try."""
    if package:
        folder = into / f"seqlab-{name.replace('_', '-')}"
        install = f"{pasted(['cd', folder])} && pip install -e '.[test,lint]' && pytest"
        return install, f"seqlab run experiments/{name}.yaml"
    found = _TRY if _TRY.exists() else "EXPERIMENT.yaml"
    where = "" if into == _DROPPED_IN else " " + pasted(["--plugins", into])
    return (
        f"seqlab run {found} --set {_setting(kind, name)}{where}",
        pasted(["seqlab", "plugins", "check", f"{into / name}.py"]),
    )


def _setting(kind: str, name: str) -> str:
    """The shipped experiment's samples are in Chinese, which another corpus need not have."""
    if kind == "observer":
        return f"'observers=[{name}]'"
    return f"{kind}={name}" + (" --set samples=null" if kind == "corpus" else "")
