"""The observer keeps every promise of its kind."""

from collections.abc import Callable

import pytest

Check = Callable[[], None]


@pytest.mark.seqlab("observer", "mlflow")
@pytest.mark.filterwarnings("default")  # those of MLflow and its database are theirs
def test_mlflow(seqlab_check: Check) -> None:
    seqlab_check()
