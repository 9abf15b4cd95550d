"""`train.frozen`: parameters that a run does not train."""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase

import pytest
import torch

import seqlab
from seqlab.errors import ExperimentError
from seqlab.runs.dry_run import validate

RECURRENT = "layers.0.cell.layers.0.weight_hh_l0"


def _weights(run):
    return run.checkpoint.weights


def _unchanged(run, fresh):
    """The names of the weights that are as they began."""
    before = _weights(fresh)
    return {name for name, weight in _weights(run).items() if weight.equal(before[name])}


@pytest.fixture
def untrained(full, registry):
    return seqlab.run(full | {"train": {"steps": 0}}, run_dir="untrained", registry=registry)


@pytest.mark.parametrize("pattern", ["embedding*", "head.*", "layers.0.*", "*weight*"])
def test_frozen_parameters_are_as_they_began_and_all_others_move(
    pattern, full, untrained, registry
):
    run = seqlab.run(full | {"train": full["train"] | {"frozen": [pattern]}}, registry=registry)
    frozen = {name for name in _weights(run) if fnmatchcase(name, pattern)}
    assert _unchanged(run, untrained) == frozen != set()


@pytest.mark.parametrize("optimizer", ["adam", "muon", "groups", "lookahead"])
def test_the_optimizer_keeps_nothing_of_frozen_parameters(optimizer, tiny, registry):
    train = {"steps": 3, "frozen": ["layers.*"]}
    run = seqlab.run(tiny | {"optimizer": optimizer, "train": train}, registry=registry)
    model = dict(run.model.named_parameters())
    held = _tensors(run.checkpoint.state["training"]["optimizer"])
    assert model[RECURRENT].shape not in [tensor.shape for tensor in held]


def _tensors(tree):
    if isinstance(tree, torch.Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def test_either_name_of_a_tied_weight_freezes_it(full, registry):
    model = {"embedding": 8, "tie_weights": True}
    experiment = full | {"model": model, "train": {"steps": 0}}
    start = seqlab.run(experiment, run_dir="start", registry=registry)
    for name in ("embedding.weight", "head.weight"):
        experiment["train"] = {"steps": 3, "frozen": [name]}
        run = seqlab.run(experiment, run_dir=name, registry=registry)
        assert {"embedding.weight", "head.weight"} <= _unchanged(run, start)


def test_a_pause_changes_no_bit(full, facts, registry):
    train = full["train"] | {"frozen": ["embedding.*", "*weight_hh*"]}
    run = seqlab.run(full | {"train": train}, run_dir="whole", registry=registry)
    copy = shutil.copytree(run.path, "copy")
    assert facts(seqlab.resume(copy, checkpoint=10, registry=registry)) == facts(run)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (
            ["head.*", "haed.weight"],
            "experiment: train.frozen.1: no parameter has a name like 'haed.weight';"
            " did you mean 'head.weight'?",
        ),
        (["*"], "experiment: train.frozen: leaves no parameter to be trained"),
    ],
)
@pytest.mark.parametrize("door", ["run", "validate"])
def test_patterns_that_make_no_sense_are_refused(door, patterns, message, tiny, registry):
    experiment = seqlab.read_experiment(tiny | {"train": {"steps": 1, "frozen": patterns}})
    if door == "validate":
        assert message in validate(experiment, registry).all_lines()
        return
    with pytest.raises(ExperimentError) as caught:
        seqlab.run(experiment, registry=registry)
    assert str(caught.value) == message
