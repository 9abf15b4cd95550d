"""Cells made of cells keep the promises of a cell, and a stack is what `model.layers` builds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import seqlab
from benchmarks.plain_model import language_model
from seqlab.errors import ExperimentError
from seqlab.kernels import use_kernels
from seqlab.model.stepping import stepper
from seqlab.registry import resolve
from seqlab.testing import Subject, checks_of, look_at

GRU, ATTENTION = {"name": "gru", "hidden_size": 8}, {"name": "causal_attention", "hidden_size": 8}
STACK = [{"repeat": 2, "layers": [GRU, "mlp"]}, {"name": "causal_attention", "hidden_size": 8}]
WAYS = [
    ("stack", {"layers": ["gru"]}),
    ("stack", {"layers": STACK, "norm": "rms", "residual": True}),
    ("stack", {"layers": [GRU, {"name": "stack", "layers": [GRU]}], "dropout": 0.5}),
    ("residual", {"inner": GRU, "norm": "layer"}),
    ("parallel", {"branches": [GRU, "mlp"]}),
    ("parallel", {"branches": [GRU, GRU], "combine": "mean"}),
    ("lora", {"inner": {"name": "lstm", "hidden_size": 8}, "rank": 2}),
    ("lora", {"inner": {"name": "stack", "layers": STACK}, "match": ["*.weight*"]}),
    ("mlp", {}),
    ("mlp", {"activation": "swiglu", "expansion": 1.5, "dropout": 0.1}),
    ("short_convolution", {"kernel_size": 3}),
    ("short_convolution", {"kernel_size": 9, "activation": None}),
]


@pytest.mark.parametrize(
    ("name", "options"), WAYS, ids=[f"{n}{i}" for i, (n, _) in enumerate(WAYS)]
)
def test_they_keep_every_promise(registry, name, options):
    subject = Subject.of_component(registry.find("cell", name), options, registry)
    results = [look_at(check, subject) for check in checks_of("cell")]
    assert [r for r in results if r.verdict == "broken"] == []


@pytest.fixture
def model(tiny, registry):
    """A model of 11 ids with a cell, and with further settings."""

    def model(cell, **settings):
        resolved = resolve(seqlab.read_experiment({**tiny, "cell": cell}), registry)
        torch.manual_seed(0)
        return language_model(11, resolved.cell.build, **settings)

    return model


@pytest.mark.parametrize("embedding", ["one_hot", 8])
@pytest.mark.parametrize(("norm", "residual"), [(None, False), ("rms", True)])
def test_a_stack_is_what_layers_build(model, embedding, norm, residual):
    if embedding == "one_hot" and norm:
        pytest.skip("one-hots are not normalised in the short form")
    short = model(GRU, embedding=embedding, layers=3, norm=norm, residual=residual)
    layers = [{"repeat": 3, "layers": [GRU]}]
    section = {"name": "stack", "layers": layers, "norm": norm, "residual": residual}
    stacked = model(section, embedding=embedding)
    stacked.norm = short.norm
    ids = torch.randint(11, (2, 7))
    assert torch.equal(stacked(ids, None)[0], short(ids, None)[0])
    names = {name.replace("layers.0.cell.", "layers.", 1) for name in stacked.state_dict()}
    assert names == {name.replace("layers.", "layers.", 1) for name in short.state_dict()}


def test_a_stack_reads_ids_if_its_first_layer_does(model):
    layers = [{"name": "lstm", "hidden_size": 8}, "mlp"]
    section = {"name": "stack", "layers": layers}
    plain = model(section).eval()
    cell, ids = plain.layers[0].cell, torch.randint(11, (2, 5))
    one_hots = functional.one_hot(ids, 11).float()
    torch.testing.assert_close(cell.from_ids(ids, None)[0], cell(one_hots, None)[0])
    with torch.inference_mode():
        _, state = plain(ids, None)
        step, _ = stepper(plain)(ids[:, 0], state)
        torch.testing.assert_close(step, plain(ids[:, :1], state)[0][:, 0])
    assert model({**section, "norm": "rms"}).layers[0].cell.from_ids is None


def test_a_residual_connection_needs_equal_sizes(model):
    section = {
        "name": "stack",
        "layers": [GRU, {"name": "gru", "hidden_size": 9}],
        "residual": True,
    }
    with pytest.raises(ExperimentError, match=r"cell: residual needs inputs .* they are 8 and 9"):
        model(section, embedding=8)


def test_a_short_convolution_is_torchs_with_zeros_before_it(registry):
    cell = registry.find("cell", "short_convolution").factory(6, kernel_size=3, activation=None)
    inputs = torch.randn(2, 9, 6)
    padded = functional.pad(inputs.transpose(1, 2), (2, 0))
    torch.testing.assert_close(cell(inputs, None)[0], cell.convolution(padded).transpose(1, 2))


def test_an_mlp_is_two_linear_maps(registry):
    cell = registry.find("cell", "mlp").factory(6, expansion=2.0, activation="relu")
    same = nn.Sequential(cell.up, nn.ReLU(), cell.down)
    inputs = torch.randn(2, 9, 6)
    outputs, state = cell(inputs, None)
    assert torch.equal(outputs, same(inputs))
    assert state == ()


def test_the_hybrid_runs_and_resumes_to_the_bit():
    experiment = Path(__file__).parents[2] / "experiments" / "hybrid.yaml"
    small = ["corpus.max_characters=900", "sampler.batch_size=4", "samples=null"]
    small += ["corpus.if_unavailable.newlines=space", "model.dropout=0.1"]
    with use_kernels("reference"):
        whole = seqlab.run(experiment, overrides=[*small, "train.epochs=2"], run_dir="whole")
        seqlab.run(experiment, overrides=[*small, "train.epochs=1"], run_dir="half")
        again = seqlab.resume("half", overrides=["train.epochs=2"])
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]
