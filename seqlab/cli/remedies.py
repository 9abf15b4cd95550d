"""What helps, as an error names it -> the option of the command."""

from __future__ import annotations

import re

OPTIONS = {"override": "--set", "plugin folder": "--plugins", "without plugin": "--no-plugin"}
_REMEDY = re.compile(rf"\b({'|'.join(OPTIONS)}) `([^`]*)`")


def as_options(text: str) -> str:
    """Word the remedies in a message (`seqlab.errors`) as options."""
    worded = _REMEDY.sub(lambda match: f"{OPTIONS[match[1]]} {match[2]}", text)
    return worded.replace("another `run_dir`", "another --run-dir")
