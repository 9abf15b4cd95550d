from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqlab.cli.main import call
from seqlab.experiment.yaml12 import dump_yaml


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """The lines of stderr after the one that says what the command begins with."""
        lines = self.err.strip().splitlines()
        return (
            lines[1:] if lines[0].startswith(("seqlab: running ", "seqlab: resuming ")) else lines
        )


@pytest.fixture
def seqlab_command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command in this process, as `seqlab ARGUMENTS` would."""

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        code = call([str(argument) for argument in arguments])
        return Result(code, *capfd.readouterr())

    return run


@pytest.fixture
def experiment(tiny: dict[str, Any]) -> Path:
    """A file with the tiny experiment."""
    path = Path("tiny.yaml")
    path.write_text(dump_yaml(tiny), "utf-8")
    return path
