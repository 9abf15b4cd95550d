"""The packages of trackers in `plugins/`, found as pip leaves them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

import seqlab
from seqlab.records import CheckpointSaved, EpochEnded, RunEnded, RunStarted

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


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
    folder, site, before = PLUGINS / request.module.PACKAGE, tmp_path_factory.mktemp("site"), set()
    installed_package(folder, site)
    before |= set(sys.modules)
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
    """The full experiment with the observer of a module, and a part of it that is left out."""
    return lambda observer, **sections: full | sections | {"observers": [observer]}


def finite(rows):
    """The numbers of rows as a tracker has them: by split and step, without what is None."""
    return {
        (row["split"], row["step"]): {
            f"{row['split']}/{name}": float(value)
            for name, value in row.items()
            if name not in {"step", "split"} and value is not None
        }
        for row in rows
    }


KILLS = """
    import os, signal
    import seqlab

    class Kills:
        "Kills the process in the EVENTth event."
        count = 0

        def any(self, record):
            self.count += 1
            if self.count == EVENT:
                os.kill(os.getpid(), signal.SIGKILL)

        seqlab_run_started = seqlab_epoch_ended = seqlab_evaluated = any
        seqlab_checkpoint_saved = seqlab_run_ended = any

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"kills": Kills}
"""


def row(step):
    """The record of an epoch that ended at a step."""
    numbers = dict.fromkeys([field.name for field in fields(EpochEnded)], 1.0)
    return EpochEnded(**numbers | {"step": step, "epoch": step, "split": "train", "parts": {}})


def tell(observer, records):
    """Begin a run in the folder `here`, and tell an observer what happens."""
    Path("here").mkdir()
    observer.seqlab_run_started(RunStarted("name", "here", 0, 9, 1, 9, 1, 0, id="1234"))
    for record in records:
        getattr(observer, EVENT_OF[type(record)])(record)


EVENT_OF = {
    CheckpointSaved: "seqlab_checkpoint_saved",
    EpochEnded: "seqlab_epoch_ended",
    RunEnded: "seqlab_run_ended",
}
