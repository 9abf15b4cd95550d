"""`train.activation_checkpointing`: less is kept, and nothing else is different."""

import pytest
import torch
from seqlab_plugins.cells.recurrent import GRU

import seqlab
from seqlab.errors import ExperimentError
from seqlab.model.stack import Stack

DEEP = {
    "model": {"embedding": 16, "layers": 3, "dropout": 0.3, "norm": "rms"},
    "train": {"epochs": 2, "accumulate": 2},
}


def losses(experiment, **train):
    tree = {**experiment, **DEEP, "train": {**DEEP["train"], **train}}
    run = seqlab.run(tree)
    return [(row["loss"], row["gradient_norm"]) for row in run.metrics], run


@pytest.mark.parametrize("cell", ["rnn", "gru", "causal_attention"])
def test_losses_and_gradients_are_equal_to_the_bit_with_dropout(cell, tiny):
    tiny = {**tiny, "cell": {"name": cell, "hidden_size": 16}}
    plain, _ = losses(tiny)
    recomputed, _ = losses(tiny, activation_checkpointing=True)
    assert recomputed == plain


def kept_bytes(recomputed):
    """The bytes of activations that a forward pass keeps for the backward pass."""
    stack = Stack(16, [lambda size: GRU(size, hidden_size=16)] * 4)
    stack.recomputed = recomputed
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    inputs = torch.ones(8, 32, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        stack(inputs, None)
    return sum(sizes)


def test_a_forward_pass_keeps_less():
    assert kept_bytes(recomputed=True) < kept_bytes(recomputed=False) / 2


def test_a_run_goes_on_to_the_bit_when_it_is_switched_on(tiny):
    whole, _ = losses(tiny)
    _, run = losses(tiny, epochs=1)
    changed = ["train.epochs=2", "train.activation_checkpointing=true"]
    rows = seqlab.resume(run.path, overrides=changed).metrics
    assert [(row["loss"], row["gradient_norm"]) for row in rows] == whole


@pytest.mark.parametrize("key", ["compile", "cuda_graphs"])
def test_what_records_a_step_is_refused_beside_it(key, tiny):
    with pytest.raises(ExperimentError, match=rf"does not go with train\.{key}"):
        losses(tiny, activation_checkpointing=True, **{key: True})
