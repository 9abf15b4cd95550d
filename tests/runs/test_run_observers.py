"""Observers that remember something: saved with a run, and given back."""

from __future__ import annotations

import json
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


STOPS = """
    import seqlab

    class Stops:
        "Asks for the end."
        def EVENT(self, record):
            if getattr(record, "epoch", 1) == 1:
                return seqlab.Stop("it is enough")

    class Later:
        "Asks for it as well, later."
        def seqlab_epoch_ended(self, record):
            return seqlab.Stop("too late")

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"stops": Stops, "later": Later}
"""


@pytest.mark.parametrize(
    ("event", "steps"),
    [("seqlab_run_started", 0), ("seqlab_step_ended", 1), ("seqlab_epoch_ended", 62)],
)
def test_an_observer_ends_a_run_by_what_it_returns(tiny, drop, event, steps):
    drop(STOPS.replace("EVENT", event))
    experiment = tiny | {"observers": ["stops", "later"], "train": {"epochs": 3}}
    run = seqlab.run(experiment, run_dir="here")
    ended = run.description
    assert (ended["status"], ended["step"]) == ("stopped", steps)
    assert ended["ended_because"] == "observer 'stops': it is enough"
    assert ended["observer_failures"] == []


def test_a_stopped_run_changes_no_number_and_can_be_gone_on_with(tiny, drop):
    experiment = tiny | {"train": {"epochs": 3}}
    whole = [row["loss"] for row in seqlab.run(experiment, run_dir="whole").metrics]
    drop(STOPS.replace("EVENT", "seqlab_epoch_ended"))
    stopped = seqlab.run(experiment | {"observers": ["stops"]}, run_dir="here")
    assert [row["loss"] for row in stopped.metrics] == whole[:1]
    went_on = seqlab.resume("here", overrides=["observers=[]"])
    assert [row["loss"] for row in went_on.metrics] == whole
    assert went_on.description["status"] == "finished"


def test_whoever_stops_a_run_that_has_all_its_steps_changes_nothing(tiny, drop):
    drop(STOPS.replace("EVENT", "seqlab_epoch_ended"))
    run = seqlab.run(tiny | {"observers": ["stops"], "train": {"epochs": 1}}, run_dir="here")
    assert run.description["status"] == "finished"


KNOWS = """
    import json
    from pathlib import Path
    import seqlab

    class Knows:
        "Writes what it is told at the start."
        def seqlab_run_started(self, record):
            told = {"id": record.id, "settings": record.settings}
            Path(record.folder, f"told-{record.step}.json").write_text(json.dumps(told))

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"knows": Knows}
"""


def test_an_observer_is_told_the_id_and_the_settings_that_the_record_has(tiny, drop):
    drop(KNOWS)
    train = {"steps": 2, "checkpoint": {"every": 1}}
    run = seqlab.run(tiny | {"observers": ["knows"], "train": train}, run_dir="here")
    resumed = seqlab.resume("here", overrides=["train.steps=3"])
    first, second = (json.loads(Path("here", f"told-{step}.json").read_text()) for step in (0, 2))
    assert first["id"] == second["id"] == run.description["id"]
    assert first["settings"]["train"]["steps"] == 2
    assert second["settings"] == resumed.description["settings"]
