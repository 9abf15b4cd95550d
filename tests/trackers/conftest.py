"""The packages of trackers in `plugins/`, found as pip leaves them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tracked_runs import PLUGINS

import seqlab


def installed_package(folder: Path, site: Path) -> None:
    """Write into a folder what says that a package is installed there."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    info = site / f"{folder.name}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    points = "\n".join(f"{k} = {v}" for k, v in project["entry-points"]["seqlab"].items())
    (info / "entry_points.txt").write_text(f"[seqlab]\n{points}\n")
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )


@pytest.fixture(scope="module")
def package(request, tmp_path_factory):
    """The folders on the path by which the package that a module names is found."""
    folder, site = PLUGINS / request.module.PACKAGE, tmp_path_factory.mktemp("site")
    installed_package(folder, site)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as own:
        for path in (site, folder / "src"):
            own.syspath_prepend(path)
        yield [str(site), str(folder / "src")]
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == request.module.PACKAGE:
            del sys.modules[name]


@pytest.fixture(scope="module")
def registry(package):
    return seqlab.load_plugins(local=False)


@pytest.fixture
def elsewhere(package):
    """Run Python in a process of its own, which finds the package."""

    def elsewhere(*arguments, **environment):
        path = os.pathsep.join([*package, *sys.path])
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
        )

    return elsewhere


@pytest.fixture
def tracked(full):
    """The full experiment with an observer, and with other sections."""
    return lambda observer, **sections: full | sections | {"observers": [observer]}
