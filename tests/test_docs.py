"""The code in the documentation runs."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import seqlab
from seqlab.cli.main import call
from seqlab.experiment import read_experiment
from seqlab.experiment.kinds import KINDS, REQUIRED_SECTIONS
from seqlab.registry import resolve
from seqlab.sweeps.reading import read_sweep
from seqlab.testing import checks_of

ROOT = Path(__file__).resolve().parents[1]
STARTS = ["docs/getting-started.md", "docs/getting-started.zh.md"]
PAGES = ["README.md", "plugins/README.md", "docs/tutorial.md", *STARTS]
for folder in ("docs/how-to", "docs/explanation"):
    PAGES += [str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).glob("*.md"))]
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r'^(?:"""|# )([\w./-]+\.(?:py|yaml|toml))(?:""")?$')
BASE = "experiments/jay_rnn.yaml"

ELSEWHERE = {
    "pip": "installs; .ci/run does so in empty environments",
    "pytest": "tests; .ci/run and tests/scaffold do so",
    "ruff": "lints; tests/scaffold does so",
    "mypy": "checks types; tests/scaffold does so",
    "git": "needs a repository of one's own",
    "twine": "uploads",
}
"""Commands of the documentation that are not run here, and why."""

OTHERWISE = {
    "seqlab resume latest --set train.epochs=300": "seqlab resume latest --set train.epochs=2",
}
"""Commands that would take long, and what is run instead."""


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


@pytest.fixture(autouse=True)
def experiments_here() -> None:
    """The shipped experiments, shortened, where a reader would have them."""
    for path in (ROOT / "experiments").rglob("*.yaml"):
        copy = path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(r"epochs: \d+", "epochs: 1", path.read_text("utf-8"))
        text = re.sub(r"train: {steps: \d+", "train: {steps: 2", text)
        copy.write_text(text, "utf-8")


@dataclass
class Reader:
    """Does what a page says, block after block, in the working folder."""

    page: str
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    code: int = 0
    output: str = ""

    def follow(self, language: str, text: str) -> None:
        getattr(self, f"_{language}")(text)

    def _text(self, text: str) -> None:
        """Something to look at."""

    def _python(self, text: str) -> None:
        path = named(text)
        if path is None and "hookimpl" in text:
            path = Path("plugins/block.py")
        if path is None:
            exec(compile(text, self.page, "exec"), self.names)  # noqa: S102 # our own documentation
            return
        write(path, text)
        (plugin,) = [p for p in load(path) if p.name == path.stem]
        assert plugin.problems == ()
        assert plugin.components

    def _yaml(self, text: str) -> None:
        path = named(text) or Path("block.yaml")
        write(path, text)
        if re.search(r"^space:", text, re.MULTILINE):
            read_sweep(path, seqlab.load_plugins())
            return
        experiment = read_experiment(path)
        if not set(REQUIRED_SECTIONS) <= experiment.tree.items.keys():
            write(Path("block.yaml"), f"extends: {BASE}\n{text}")
            experiment = read_experiment("block.yaml")
        resolve(experiment, seqlab.load_plugins())

    def _toml(self, text: str) -> None:
        assert tomllib.loads(text)
        if named(text):
            write(named(text), text)

    def _sh(self, text: str) -> None:
        for line in text.splitlines():
            self._run(line)
        self._done()

    def _console(self, text: str) -> None:
        """Commands behind a `$`, each with what it prints."""
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, expected = part.partition("\n")
            output = self._run(line)
            assert re.fullmatch(pattern(expected), words(output)), f"$ {line}\n{output}"
        self._done()

    def _run(self, line: str) -> str:
        """Run one line; a failure must be looked at in the next one, by `echo $?`."""
        if line == "echo $?":
            code, self.code = self.code, 0
            return f"{code}\n"
        self._done()
        return "".join(self._command(command) for command in line.split(" && "))

    def _done(self) -> None:
        assert self.code == 0, f"{self.page}: a command failed\n{self.output}"

    def _command(self, line: str) -> str:
        name, *arguments = shlex.split(OTHERWISE.get(line, line), comments=True)
        if name == "cd":
            os.chdir(arguments[0])
        elif name == "mkdir":
            Path(arguments[-1]).mkdir(parents=True)
        elif name == "seqlab":
            return self._seqlab(arguments)
        else:
            assert name in ELSEWHERE or name == "python", f"{self.page}: {line}"
        return ""

    def _seqlab(self, arguments: list[str]) -> str:
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            self.code = call(arguments)
        self.output = f"$ seqlab {shlex.join(arguments)}\n{output.getvalue()}"
        return output.getvalue()


def named(text: str) -> Path | None:
    """The file that a block's first line says it is."""
    match = NAMED.match(text.partition("\n")[0])
    return Path(match[1]) if match else None


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def load(path: Path) -> tuple[Any, ...]:
    """All plugins; a file that does not lie in `plugins/` is loaded besides."""
    beside = [path] if path.parent != Path("plugins") else []
    return seqlab.load_plugins(files=beside).plugins


def words(text: str) -> str:
    return "".join(f"{' '.join(line.split())}\n" for line in text.rstrip().splitlines())


def pattern(shown: str) -> str:
    """What matches an output: `…` is anything, and so are fractions and what a model says."""
    return "".join(_line(line) for line in words(shown).splitlines())


def _line(line: str) -> str:
    if line == "…":
        return r"(?:.*\n)*?"
    line = re.sub(r"^(- \S+) .*", r"\1 …", line)
    escaped = re.escape(line).replace("…", ".*")
    return re.sub(r"\d+\\\.\d+(?:e\\?[-+]\d+)?", r"[\\d.e+-]+", escaped) + r"\n"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_it_says(page):
    reader = Reader(page)
    for language, text in blocks(page):
        reader.follow(language, text)


def test_getting_started_does_the_same_in_both_languages():
    english, chinese = map(blocks, STARTS)
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    known = {name.removeprefix("_") for name in vars(Reader) if name.startswith("_")}
    assert {language for language, _ in blocks(page)} <= known
    assert (ROOT / page).read_text("utf-8").count("\n```") == 2 * len(blocks(page))


def test_what_a_page_shows_is_held_against_what_is_printed():
    assert re.fullmatch(pattern("a  1.5\n…\nz…\n"), words("a\t2.25\nb\nc\nzet\n"))
    assert not re.fullmatch(pattern("a  1.5\nz\n"), words("a\t2.25\nb\n"))
    assert not re.fullmatch(pattern("a\n"), words("a\nb\n"))


def test_the_cell_of_the_documentation_trains(tiny):
    cell = next(text for _, text in blocks("plugins/README.md") if '"mgu"' in text)
    write(Path("plugins/mgu.py"), cell)
    tiny |= {"cell": {"name": "mgu", "hidden_size": 16}, "train": {"epochs": 3}}
    losses = [row["loss"] for row in seqlab.run(tiny).metrics]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("page", ["README.md", "plugins/README.md"])
def test_the_documented_cell_is_the_one_that_is_shipped(page):
    shipped = (ROOT / "plugins" / "minimal_gated_unit.py").read_text("utf-8")
    body = shipped[shipped.index("class ") :]
    assert any(body in text for _, text in blocks(page))


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("plugins/README.md", "plugins/minimal_gated_unit.py"),
        ("docs/how-to/write-an-objective.md", "plugins/focal.py"),
        ("docs/how-to/compose-components.md", "plugins/gated.py"),
    ],
)
def test_a_component_has_fifteen_lines_below_its_imports_the_hook_aside(page, file):
    (source,) = [text for _, text in blocks(page) if named(text) == Path(file)]
    body = source[source.index("\nclass ") : source.index("@seqlab.hookimpl")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


def test_every_check_has_its_section_and_every_section_its_check():
    page = (ROOT / "docs" / "conformance.md").read_text("utf-8")
    sections = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    checks = {check.__name__ for kind in KINDS for check in checks_of(kind)}
    assert len(sections) == len(set(sections)), "an anchor stands for one section"
    assert set(sections) == checks


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """The site, built from a copy of the pages; any warning is an error."""
    if not (find_spec("sphinx") and find_spec("myst_parser") and find_spec("furo")):
        pytest.skip("Sphinx is not installed: pip install -e '.[docs]'")
    for folder, unwanted in (("docs", ("_build", "generated")), ("plugins", ("*.py", "seqlab_*"))):
        ignore = shutil.ignore_patterns(*unwanted, "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "site"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    return tmp_path / "site"


def test_the_site_is_built_without_a_warning_and_has_the_anchors_of_the_checks(site):
    page = (site / "conformance.html").read_text("utf-8")
    missing = [
        check.__name__
        for kind in KINDS
        for check in checks_of(kind)
        if f'id="{check.__name__}"' not in page
    ]
    assert missing == []
    for name in ("hooks", "components", "experiment", "records", "contracts", "command"):
        assert (site / "reference" / "generated" / f"{name}.html").is_file()
