"""The command `seqlab`: one module a verb, imported when it is used."""

from seqlab.cli.main import main

__all__ = ["main"]
