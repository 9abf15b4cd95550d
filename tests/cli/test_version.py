"""What is installed, as `seqlab version` tells it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib import metadata

import seqlab


def test_versions_are_those_that_are_installed(seqlab_command):
    known = json.loads(seqlab_command("version", "--json").out)
    assert known["seqlab"] == seqlab.__version__
    assert known["python"] == platform.python_version()
    assert known["torch"] == metadata.version("torch")
    assert known["extras"]["fast"] == {"numba": metadata.version("numba")}


def test_an_extra_that_is_not_there_is_told_with_how_to_have_it(seqlab_command, monkeypatch):
    version = metadata.version

    def without_numba(name: str) -> str:
        if name == "numba":
            raise metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(metadata, "version", without_numba)
    lines = seqlab_command("version").out.splitlines()
    assert "extra fast\tnot installed: pip install 'seqlab[fast]'" in lines
    assert not any(line.startswith("extra test") for line in lines)


def test_a_package_with_plugins_is_listed_and_not_imported(seqlab_command, install):
    install("strange", "raise SystemExit(3)", version="4.2")
    assert "plugins of strange\t4.2" in seqlab_command("version").out.splitlines()


def test_nothing_heavy_is_imported_to_tell_versions():
    code = "import sys; from seqlab.cli.main import call; call(['version'])"
    code += "; sys.exit(' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert not {"torch", "numpy", "pydantic", "seqlab_plugins"} & {*result.stderr.split()}
    assert "seqlab.cli.version" in result.stderr
