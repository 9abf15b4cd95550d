"""The observer keeps every promise of its kind."""

from collections.abc import Callable
from pathlib import Path

import pytest

Check = Callable[[], None]


@pytest.fixture(autouse=True)
def one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One database for all runs: to make one takes a second."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.mark.seqlab("observer", "mlflow")
@pytest.mark.filterwarnings("default")  # those of MLflow and its database are theirs
def test_mlflow(seqlab_check: Check) -> None:
    seqlab_check()
