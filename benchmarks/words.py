"""The text of words that several benchmarks train on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

NAME = "wikitext2_valid.txt"


def add_text(parser: argparse.ArgumentParser) -> None:
    """Add the argument TEXT, a file whose words stand between spaces."""
    default = Path(os.environ.get("SEQLAB_DATA", "data")) / NAME
    parser.add_argument(
        "text",
        type=_file,
        nargs="?",
        default=str(default),
        metavar="TEXT",
        help=f"words between spaces, such as the validation split of WikiText-2 ({default})",
    )


def _file(name: str) -> Path:
    path = Path(name).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path} is not there; name a file of words and spaces")
    return path
