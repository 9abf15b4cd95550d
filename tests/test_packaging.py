"""What pyproject.toml, the workflows, the changelog and the README say about one package agrees."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import seqlab

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(workflow: Path) -> list[str]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def matrix() -> dict[str, list[Any]]:
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    chosen: dict[str, list[Any]] = yaml.safe_load(text)["jobs"]["pythons"]["strategy"]["matrix"]
    return chosen


def test_package_module_and_citation_name_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == seqlab.__version__ == citation["version"]


def test_the_changelog_has_a_heading_for_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(PROJECT['version'])} – ", text, re.MULTILINE)


def test_every_python_of_a_classifier_is_in_the_workflow():
    prefix = "Programming Language :: Python :: 3."
    named = [line for line in PROJECT["classifiers"] if line.startswith(prefix)]
    assert {line.rpartition(" ")[2] for line in named} <= set(matrix()["python"])


def test_the_citation_and_the_links_of_the_package_name_one_home():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    home = citation["repository-code"]
    assert all(url.startswith(home) for url in PROJECT["urls"].values())
    assert f"git clone {home}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_workflow_tests_with_the_command_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"^pip install .*pytest$", text, re.MULTILINE)
    assert command is not None
    assert command[0] in commands(ROOT / ".github" / "workflows" / "test.yml")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_an_extra_that_a_workflow_installs_exists(workflow):
    words = " ".join(commands(workflow))
    asked = {name for names in re.findall(r"\.\[([\w,]+)\]", words) for name in names.split(",")}
    assert asked <= set(PROJECT["optional-dependencies"])


def test_the_groups_of_a_newer_pip_are_the_extras_of_the_same_name():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    extras = PROJECT["optional-dependencies"]
    assert all(groups[name] == extras[name] for name in ("test", "lint", "docs"))
