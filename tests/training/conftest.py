from __future__ import annotations

import pytest
import torch

import seqlab
from seqlab import read_experiment
from seqlab.experiment.sections import Train
from seqlab.registry import resolve
from seqlab.runs.building import build
from seqlab.training.loop import Training
from seqlab.training.metrics import TokenSizes


@pytest.fixture
def trained(tiny, registry):
    """Run an experiment; return its metrics and all of its weights in one vector."""

    def trained(plugins=registry, **sections):
        run = seqlab.run(tiny | sections, registry=plugins)
        weights = [tensor.flatten() for tensor in run.model.state_dict().values()]
        return run.metrics, torch.cat(weights)

    return trained


@pytest.fixture
def steps(trained):
    """Weights after no step, and metrics and weights after some."""

    def steps(count, **sections):
        _, before = trained(**sections, train={"steps": 0})
        metrics, after = trained(**sections, train={"steps": count})
        return before, metrics, after

    return steps


@pytest.fixture
def training(tiny, registry):
    """The loop of an experiment, in double precision."""

    def training(lr=0.5, **sections):
        parts = build(resolve(read_experiment(tiny | sections), registry))
        model = parts.model.double()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        return Training(
            model,
            parts.sampler,
            optimizer,
            torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0),
            sizes=TokenSizes.of(parts.prepared.tokenizer, model.head.weight.device),
            clip_norm=None,
            settings=Train(),
        )

    return training
