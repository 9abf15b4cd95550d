"""The names of plugins that are disabled, in a file of the user's for each environment."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from platformdirs import user_config_path

from seqlab.errors import UsageError
from seqlab.files import read

MAX_SIZE = 1 << 20  # bytes


def disabled_file() -> Path:
    """Return the file of this environment, in $SEQLAB_CONFIG or the system's folder for it."""
    named = os.environ.get("SEQLAB_CONFIG")
    folder = Path(named) if named else user_config_path("seqlab")
    key = hashlib.blake2b(os.fsencode(sys.prefix), digest_size=8).hexdigest()
    return folder / f"disabled-plugins-{key}.json"


def disabled_names() -> set[str]:
    """Return the names of the plugins that are disabled in this environment.

    Raises:
        UsageError: the file cannot be read.
    """
    file = disabled_file()
    try:
        names = json.loads(read(file, MAX_SIZE))["disabled"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        message = (
            'should be such as {"environment": "/venv", "disabled": ["NAME"]}; mend or remove it'
        )
        raise UsageError(f"{file}: {message}") from None
    return {*names}


def set_disabled(names: set[str]) -> None:
    """Write which plugins are disabled in this environment; raises UsageError if that fails."""
    from seqlab.atomic import make_folders, write_atomic

    file = disabled_file()
    kept = {"environment": sys.prefix, "disabled": sorted(names)}
    try:
        make_folders(file.parent)
        write_atomic(file, f"{json.dumps(kept, indent=1)}\n".encode())
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror or error})") from None
