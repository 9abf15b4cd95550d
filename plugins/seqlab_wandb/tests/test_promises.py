"""The observer keeps every promise of its kind."""

from collections.abc import Callable

import pytest

Check = Callable[[], None]


@pytest.mark.seqlab("observer", "wandb")
def test_wandb(seqlab_check: Check) -> None:
    seqlab_check()
