"""Packed documents: trained alike, with fewer tokens that count for nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.packed import Packed
from seqlab_plugins.samplers import Documents

import seqlab
from seqlab import Tokens
from seqlab.testing import check_sampler


def documents(lengths):
    starts = np.cumsum([0, *lengths[:-1]])
    return Tokens(np.arange(sum(lengths)), starts.astype(np.int64))


def test_it_keeps_every_promise():
    check_sampler(Packed, batch_size=4, window=16)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 5), st.integers(1, 25))
def test_every_target_is_trained_once_from_its_own_document(lengths, batch_size, window):
    if max(lengths) < 2:
        return
    tokens = documents(lengths)
    sampler = Packed(tokens, 1, batch_size=batch_size, window=window)
    owner = np.searchsorted(tokens.documents, np.arange(len(tokens)), "right")
    for epoch in range(3):
        seen = []
        for index in range(sampler.batches(epoch)):
            batch = sampler.batch(epoch, index)
            counts = batch.weights > 0
            seen += batch.targets[counts].tolist()
            assert (batch.targets == batch.inputs + 1)[counts].all()
            assert (owner[batch.inputs[counts]] == owner[batch.targets[counts]]).all()
        firsts = {int(first) for first in tokens.documents}
        assert sorted(seen) == [t for t in range(1, len(tokens)) if t not in firsts]


def test_short_documents_fill_rows():
    tokens = documents([5, 9, 3, 7, 4, 6, 8, 2] * 50)
    shares = []
    for kind in (Documents, Packed):
        sampler = kind(tokens, 0, batch_size=4, window=32)
        batches = [sampler.batch(0, index) for index in range(len(sampler))]
        shares.append(float(torch.cat([b.weights.flatten() for b in batches]).mean()))
    assert shares[0] < 0.25
    assert shares[1] > 0.85


def test_epochs_of_different_lengths_go_on_to_the_bit(tmp_path):
    experiment = {
        "corpus": {"name": "jsonl", "path": str(_lines(tmp_path))},
        "sampler": {"name": "packed", "batch_size": 2, "window": 24},
        "cell": {"name": "lstm", "hidden_size": 8},
        "optimizer": {"name": "adam", "lr": 0.01},
        "train": {"epochs": 6, "accumulate": 2, "checkpoint": {"every": 4}},
        "observers": [],
    }
    whole = seqlab.run(experiment, run_dir=tmp_path / "whole")
    seqlab.run(experiment, run_dir=tmp_path / "part", overrides=["train.epochs=3"])
    part = seqlab.resume(tmp_path / "part", overrides=["train.epochs=6"])
    rows = [[row["loss"] for row in run.metrics] for run in (whole, part)]
    assert rows[0] == rows[1]
    steps = np.diff([0, *(row["step"] for row in whole.metrics)])
    assert len({*steps.tolist()}) > 1, "every epoch has as many steps as the others"


def _lines(folder):
    file = folder / "lines.jsonl"
    random = np.random.default_rng(0)
    lengths = random.integers(2, 24, 60)
    texts = ["".join(random.choice(list("abcd"), length)) for length in lengths]
    file.write_text("".join(f'{{"text": "{text}"}}\n' for text in texts))
    return file


def test_training_is_that_of_documents_one_by_one(tmp_path):
    """The loss of the untrained model over an epoch does not depend on the way to pack."""
    common = {
        "corpus": {"name": "jsonl", "path": str(_lines(tmp_path))},
        "cell": {"name": "gru", "hidden_size": 8},
        "optimizer": {"name": "sgd", "lr": 1e-12},
        "train": {"epochs": 1},
        "observers": [],
    }
    losses = []
    for name in ("documents", "packed"):
        sampler = {"name": name, "batch_size": 3, "window": 24}
        run = seqlab.run({**common, "sampler": sampler}, run_dir=tmp_path / name)
        losses.append(run.metrics[-1]["loss"])
        assert run.metrics[-1]["tokens"] == run.metrics[0]["tokens"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
