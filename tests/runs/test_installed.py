"""A run records what is installed."""

from importlib.metadata import version

from packaging.requirements import Requirement

import seqlab
from seqlab.runs.installed import installed_packages


def test_a_run_names_every_installed_package_with_its_version(tiny):
    run = seqlab.run(tiny)
    lines = (run.path / "packages.txt").read_text("utf-8").splitlines()
    found = {Requirement(line).name: str(Requirement(line).specifier) for line in lines}
    assert found["torch"] == f"=={version('torch')}"
    assert found["pluggy"] == f"=={version('pluggy')}"
    assert len(found) == len(lines)


def test_an_address_from_which_something_was_installed_is_left_out(tmp_path, monkeypatch):
    info = tmp_path / "secret-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: secret\nVersion: 1.0\n")
    (info / "direct_url.json").write_text('{"url": "https://me:password@example.org/x.git"}')
    monkeypatch.syspath_prepend(tmp_path)
    assert "secret==1.0\n" in installed_packages()
    assert "password" not in installed_packages()
