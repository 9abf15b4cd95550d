"""The door of this room: a file on disk, read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seqlab
from seqlab.experiment.located import plain


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Write an experiment file below the working folder."""

    def write(content: str | bytes, name: str = "e.yaml") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="session")
def read(write) -> Callable[..., Any]:
    """Write an experiment file and read it, overrides laid over it, as plain values."""

    def read(content: str | bytes, *overrides: str) -> Any:
        return plain(seqlab.read_experiment(write(content), overrides).tree)

    return read


@pytest.fixture(scope="session")
def refusal(read) -> Callable[..., str]:
    """What is said when an experiment file is refused."""

    def refusal(content: str | bytes, *overrides: str) -> str:
        with pytest.raises(seqlab.ExperimentError) as caught:
            read(content, *overrides)
        return str(caught.value)

    return refusal
