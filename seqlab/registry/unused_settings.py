"""Settings of the core that do nothing beside the others, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from seqlab.experiment.sections import Model, Train


def unused_settings(model: Model | None, train: Train | None) -> Iterator[str]:
    """Yield what to say of each; None: a section that could not be read."""
    if model and model.residual and model.layers == 1 and model.embedding == "one_hot":
        yield (
            "model.residual does nothing: the only layer reads one-hots, which are never added to"
            " its outputs; set model.layers or a size of model.embedding"
        )
    if train and train.stop and train.stop.min_delta and train.stop.patience is None:
        yield "train.stop.min_delta does nothing without train.stop.patience"
