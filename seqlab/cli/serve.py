"""`seqlab serve`: a page in the browser with all runs, live, and a playground for their models."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from seqlab.cli.options import PluginChoice, Whole, plugin_options, root_option
from seqlab.cli.streams import err, out

log = logging.getLogger(__name__)


@click.command("serve")
@click.option("--port", type=Whole(0, 65535), default=8765, show_default=True, help="0: any free.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen; any other lets other machines in.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A further name that browsers may call this server by; repeatable.",
)
@click.option(
    "--models",
    type=Whole(1, 64),
    default=2,
    show_default=True,
    metavar="N",
    help="The most models of the playground that are kept in memory.",
)
@root_option
@plugin_options
def command(
    port: int,
    host: str,
    names: tuple[str, ...],
    models: int,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Show all runs in a browser, as they train, and let their models write.

    Prints the address with a token, which whoever opens the page needs. The page only looks: it
    starts, changes and deletes nothing. Ctrl-C ends it.
    """
    if not root.is_dir():
        log.warning("%s: there is no such folder yet; runs are shown once they lie in it", root)
    from seqlab.web.models import Models
    from seqlab.web.serving import Address, serve

    address = Address(host, port, names)
    if not address.is_local:
        log.warning(
            "%s can be reached by other machines: whoever sees the token sees all runs, and nothing"
            " is encrypted; an SSH tunnel to 127.0.0.1 is", host
        )  # fmt: skip

    def told(url: str) -> None:
        out(url)
        err("seqlab: open this address in a browser; Ctrl-C ends the server")

    serve(root, address, Models(models, plugins.load), told)
