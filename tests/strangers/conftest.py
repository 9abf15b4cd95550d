"""The package and the dropped-in files of strangers, found as a user's would be."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

import seqlab

HERE = Path(__file__).resolve().parent
PACKAGE, DROPPED_IN = HERE / "seqlab-strangers", HERE / "plugins"


@pytest.fixture(scope="module")  # after it nobody else finds them
def strangers(tmp_path_factory):
    """All plugins, with those of strangers: their package lies on the path as pip leaves it."""
    site, before = tmp_path_factory.mktemp("site"), set(sys.modules)
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    info = site / "seqlab_strangers-0.1.0.dist-info"
    info.mkdir()
    points = "\n".join(f"{k} = {v}" for k, v in project["entry-points"]["seqlab"].items())
    (info / "entry_points.txt").write_text(f"[seqlab]\n{points}\n")
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    with pytest.MonkeyPatch.context() as own:
        own.syspath_prepend(site)
        own.syspath_prepend(PACKAGE / "src")
        yield seqlab.load_plugins(DROPPED_IN)
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "seqlab_strangers":
            del sys.modules[name]
