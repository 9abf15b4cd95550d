"""In which numbers a model computes, and what stays in its own."""

from __future__ import annotations

import pytest
import torch

import seqlab
from seqlab.kernels import processor
from seqlab.training.precision import autocast, choose_precision, computes_bfloat16

CPU = torch.device("cpu")


@pytest.fixture
def trained(full, registry):
    def trained(precision, **sections):
        train = full["train"] | {"precision": precision}
        return seqlab.run(full | {"train": train} | sections, registry=registry)

    return trained


@pytest.mark.parametrize(
    ("name", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_what_is_asked_for_is_what_there_is(name, expected):
    assert choose_precision(name, CPU) == expected


@pytest.mark.parametrize("able", [True, False])
def test_auto_is_bfloat16_only_where_the_device_computes_in_it(able, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    processor.cache_clear()
    try:
        assert computes_bfloat16(CPU) == able
        assert choose_precision("auto", CPU) == (torch.bfloat16 if able else torch.float32)
    finally:
        processor.cache_clear()


@pytest.mark.parametrize(("dtype", "inside"), [(torch.bfloat16,) * 2, (torch.float32,) * 2])
def test_products_are_computed_in_the_precision(dtype, inside):
    with autocast(CPU, dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == inside


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("embedding", [8, "one_hot"])
def test_weights_states_and_moments_stay_in_float32(cell, embedding, trained):
    model = {"embedding": embedding}
    saved = trained("bfloat16", cell={"name": cell, "hidden_size": 8}, model=model).checkpoint
    training = saved.state["training"]
    state = torch.cat([tensor.flatten() for tensor in _tensors(training["state"])])
    moments = training["optimizer"]["state"][0]["exp_avg"]
    assert {t.dtype for t in (*saved.weights.values(), state, moments)} == {torch.float32}


def _tensors(tree):
    return (
        [tree] if isinstance(tree, torch.Tensor) else [t for part in tree for t in _tensors(part)]
    )


def test_bfloat16_gives_other_bits_and_nearly_the_same_loss(trained):
    exact, rough = (trained(name).metrics[-1]["loss"] for name in ("float32", "bfloat16"))
    assert exact != rough
    assert rough == pytest.approx(exact, rel=0.01)
