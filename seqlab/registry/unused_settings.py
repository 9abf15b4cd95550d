"""Settings of the core that have no effect because of other settings."""

from __future__ import annotations

from collections.abc import Iterator

from seqlab.experiment.sections import Model, Train


def unused_settings(model: Model | None, train: Train | None) -> Iterator[str]:
    """Yield one sentence for each setting without effect; None: a section with complaints."""
    if model and model.residual and model.layers == 1 and model.embedding == "one_hot":
        yield (
            "model.residual has no effect: the only layer reads one-hots, which are never added to"
            " its outputs; set model.layers or a size of model.embedding"
        )
    if train and train.stop and train.stop.min_delta and train.stop.patience is None:
        yield "train.stop.min_delta has no effect without train.stop.patience"
