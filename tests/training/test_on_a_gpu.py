"""On a GPU: the numbers are the CPU's, nothing waits for the device, and graphs change nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

import seqlab
from seqlab import map_state, read_experiment
from seqlab.errors import Override, RunFailed
from seqlab.model.state import leaves
from seqlab.registry import resolve
from seqlab.runs.building import build

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

RECURRENT = ("rnn", "lstm", "gru", "min_gru", "stepped")
CELLS = (*RECURRENT, "causal_attention", "gated_linear_attention", "selective_state_space")
EMBEDDINGS = ("one_hot", 8)
STEPPED = """
import seqlab
import torch
from torch import nn


class Stepped(nn.Module):
    def __init__(self, input_size: int, *, hidden_size: int = 16, looks: bool = False):
        super().__init__()
        self.output_size, self.looks = hidden_size, looks
        self.both = nn.Linear(input_size + hidden_size, hidden_size)

    @seqlab.unroll
    def forward(self, inputs, state):
        state = self.both(torch.cat((inputs, state), 1)).tanh()
        if self.looks and float(state.detach().sum()) > 1e9:
            raise ValueError
        return state, state


@seqlab.hookimpl
def seqlab_register_cells():
    return {"stepped": Stepped}
"""


@pytest.fixture
def losses(tiny, drop):
    """The losses of some steps, by the settings of `train`."""

    def losses(device="cuda", count=12, **sections):
        drop(STEPPED)
        train = {"steps": 50, "device": device} | sections.pop("train", {})
        parts = build(
            resolve(read_experiment(tiny | sections | {"train": train}), seqlab.load_plugins())
        )
        return [step.loss for step in parts.training.steps(count)]

    return losses


def sections(cell, embedding, **train):
    model = {"embedding": embedding}
    return {"cell": {"name": cell, "hidden_size": 16}, "model": model, "train": train}


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_losses_are_those_of_the_cpu(cell, embedding, losses):
    result = losses(**sections(cell, embedding))
    assert result == pytest.approx(losses("cpu", **sections(cell, embedding)), rel=1e-3)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize("carried", [False, True])
def test_ids_give_what_one_hots_give_and_the_same_gradients(cell, window, carried, registry):
    make = registry.find("cell", cell).factory
    made = make(7, hidden_size=4, num_layers=2).double().cuda()
    ids = torch.arange(3 * window, device="cuda").view(3, window) % 7
    one_hots = functional.one_hot(ids, 7).double()
    state = made(one_hots, None)[1] if carried else None
    state = state and map_state(torch.Tensor.detach, state)
    outputs, gradients = [], []
    for run, inputs in ((made.from_ids, ids), (made, one_hots)):
        result, after = run(inputs, state)
        total = result.square().sum() + sum(part.sin().sum() for part in leaves(after))
        outputs.append([result, *leaves(after)])
        gradients.append(torch.autograd.grad(total, list(made.parameters())))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_autocast_does_not_reach_a_recurrence(cell, registry):
    made = registry.find("cell", cell).factory(7, hidden_size=4).cuda()
    ids = torch.arange(7, device="cuda").view(1, 7)
    with torch.autocast("cuda", torch.bfloat16):
        from_ids, _ = made.from_ids(ids, None)
        from_vectors, _ = made(functional.one_hot(ids, 7).bfloat16(), None)
    assert from_ids.dtype == from_vectors.dtype == torch.float32


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_replayed_steps_are_those_that_are_launched_one_by_one(cell, embedding, precision, losses):
    result = losses(**sections(cell, embedding, precision=precision, cuda_graphs=True))
    plain = losses(**sections(cell, embedding, precision=precision))
    assert result == pytest.approx(plain, rel=1e-4 if precision == "float32" else 1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"accumulate": 3}},
        {"train": {"average": 0.9}},
        {"model": {"embedding": 8, "dropout": 0.5, "layers": 2}},
        {"sampler": {"name": "random", "batch_size": 4, "window": 8}},
        {"sampler": {"name": "documents", "batch_size": 4, "window": 8}},
        *({"optimizer": {"name": name}} for name in ("sgd", "rmsprop", "adagrad", "muon", "sam")),
        {"optimizer": {"name": "adamw", "lr": 0.01, "clip_norm": 0.1}},
    ],
)
def test_whatever_else_is_on_replaying_changes_no_loss(changes, losses):
    train = changes.get("train", {})
    result = losses(**changes | {"train": train | {"cuda_graphs": True}}, count=40)
    assert result == pytest.approx(losses(**changes, count=40), rel=1e-4)


@pytest.mark.filterwarnings("ignore:RNN module weights")  # cuDNN copies the sums side by side
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_low_rank_changes_are_those_of_the_cpu(embedding, losses):
    cell = {"name": "lora", "inner": {"name": "gru", "hidden_size": 16}}
    experiment = {"cell": cell, "model": {"embedding": embedding}}
    assert losses(**experiment) == pytest.approx(losses("cpu", **experiment), rel=1e-3)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("sampler", ["consecutive", "documents"])
def test_no_step_waits_for_the_device(graphs, average, sampler, tiny):
    train = {"steps": 99, "device": "cuda", "cuda_graphs": graphs, "average": average}
    optimizer = {"name": "adam", "lr": 0.01, "clip_norm": 1.0}
    experiment = tiny | {"train": train, "optimizer": optimizer, "cell": "lstm"}
    experiment["sampler"] = tiny["sampler"] | {"name": sampler}
    parts = build(resolve(read_experiment(experiment), seqlab.load_plugins(local=False)))
    list(parts.training.steps(10))
    torch.cuda.set_sync_debug_mode("error")
    try:
        list(parts.training.steps(40))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("average", [None, 0.9])
def test_a_step_that_is_not_finite_is_not_taken(graphs, average, tiny):
    train = {"steps": 99, "device": "cuda", "cuda_graphs": graphs, "average": average}
    parts = build(
        resolve(read_experiment(tiny | {"train": train}), seqlab.load_plugins(local=False))
    )
    list(parts.training.steps(10))
    parts.model.head.bias.data[0] = math.nan
    before = {name: p.clone() for name, p in parts.model.named_parameters()}
    with pytest.raises(RunFailed, match=r"^step 11 \(number .* is not finite"):
        list(parts.training.steps(20))
    after = dict(parts.model.named_parameters())
    assert all(p.equal(before[name]) for name, p in after.items() if name != "head.bias")


def test_a_run_that_is_resumed_goes_on_with_the_same_losses(tiny):
    experiment = tiny | {"train": {"steps": 30, "device": "cuda", "cuda_graphs": True}}
    whole = seqlab.run(experiment)
    part = seqlab.run(experiment | {"train": experiment["train"] | {"steps": 15}})
    resumed = seqlab.resume(part.folder.path, overrides=["train.steps=30"])
    assert resumed.metrics[-1]["loss"] == pytest.approx(whole.metrics[-1]["loss"], rel=1e-4)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_what_is_generated_is_what_the_cpu_generates(cell, tiny):
    run = seqlab.run(tiny | sections(cell, "one_hot") | {"train": {"steps": 60, "device": "cuda"}})
    result = run.generate("the ", length=30)[0]
    with_cpu = seqlab.run(
        tiny | sections(cell, "one_hot") | {"train": {"steps": 60, "device": "cpu"}}
    )
    assert result.text == with_cpu.generate("the ", length=30)[0].text


def test_a_model_that_reads_values_back_is_refused_with_what_would_be_right(losses):
    cell = {"name": "stepped", "looks": True}
    with pytest.raises(RunFailed, match=r"^train.cuda_graphs: this model cannot be recorded") as it:
        losses(cell=cell, train={"cuda_graphs": True})
    assert it.value.resume_with == [Override("train.cuda_graphs=false")]
