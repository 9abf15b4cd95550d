"""Observers that remember something: saved with a run, and given back."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab.errors import PluginError

OBSERVER = """
    from seqlab import hookimpl

    class Counts:
        count = 0

        def seqlab_epoch_ended(self, record):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]

    @hookimpl
    def seqlab_register_observers():
        return {"counts": Counts}
"""


@pytest.fixture
def whole(full, drop):
    """Run the full experiment into `here` with that observer, its source perhaps changed."""

    def whole(old="", new=""):
        drop(OBSERVER.replace(old, new))
        return seqlab.run(full | {"observers": ["counts"]}, run_dir="here")

    return whole


def test_an_observer_that_could_not_be_loaded_again_is_refused_before_training(whole):
    with pytest.raises(PluginError, match="observer 'counts' of plugin 'dropped' has `state_dict`"):
        whole("def load_state_dict", "def load_state")
    assert not Path("here").exists()


def test_an_observer_that_does_not_take_its_state_is_named_and_can_be_left_out(whole, drop):
    whole()
    drop(OBSERVER.replace('state["count"]', 'state["counted"]'))
    with pytest.raises(PluginError, match=r"observer 'counts' .* does not take .*KeyError"):
        seqlab.resume("here", checkpoint=10)
    assert seqlab.resume("here", checkpoint=10, overrides=["observers=[]"])
