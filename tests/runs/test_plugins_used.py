"""A run whose plugins are not here any more, or are others now."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab.errors import PluginError

CELL = """
    import torch
    import seqlab

    class Mine(torch.nn.Module):
        def __init__(self, input_size):
            super().__init__()
            self.output_size = 4
            self.linear = torch.nn.Linear(input_size, 4)

        def forward(self, inputs, state):
            return self.linear(inputs), inputs.new_zeros(len(inputs), 1)

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"mine": Mine}
"""
SAID = r"The run used plugin 'mine_package' of mine_package==1\.0: pip install mine_package==1\.0"


@pytest.fixture
def gone(install, tiny):
    """A run with a cell of a package that is not installed any more."""
    install("mine_package", CELL)
    return seqlab.run(tiny | {"cell": "mine"}, registry=seqlab.load_plugins())


@pytest.fixture
def elsewhere(registry):
    """What is installed without that package."""
    return registry


def test_generating_without_the_package_names_what_to_install(gone, elsewhere):
    with pytest.raises(PluginError, match=SAID):
        seqlab.open_run(gone.path, registry=elsewhere).generate("the")


def test_evaluating_without_the_package_names_what_to_install(gone, elsewhere):
    with pytest.raises(PluginError, match=SAID):
        seqlab.open_run(gone.path, registry=elsewhere).evaluate("train")


def test_resuming_without_the_package_names_what_to_install(gone, elsewhere):
    with pytest.raises(PluginError, match=SAID):
        seqlab.resume(gone.path, overrides=["train.epochs=2"], registry=elsewhere)


def test_a_dropped_in_plugin_that_is_gone_is_found_in_the_runs_own_folder(drop, tiny):
    drop(CELL)
    run = seqlab.run(tiny | {"cell": "mine"})
    Path("plugins/dropped.py").unlink()
    message = rf'it keeps a copy.*load_plugins\("{run.path}/plugins"\)'
    with pytest.raises(PluginError, match=message):
        seqlab.open_run(run.path).generate("the")
    again = seqlab.load_plugins(run.path / "plugins")
    assert seqlab.open_run(run.path, registry=again).generate("the")


def test_another_version_is_said_and_used(drop, tiny, caplog):
    drop(CELL)
    run = seqlab.run(tiny | {"cell": "mine"})
    drop(CELL + "\n    # a word more\n")
    assert seqlab.open_run(run.path).generate("the")
    assert "plugin 'dropped' (plugins/dropped.py) has another source than the run's" in caplog.text


def test_what_has_not_changed_is_not_mentioned(tiny, caplog):
    run = seqlab.run(tiny)
    seqlab.open_run(run.path).generate("the")
    assert "plugin" not in caplog.text
