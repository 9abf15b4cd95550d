"""Parameters that a run does not train."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase

from torch import nn

from seqlab.contracts import NamedParameters
from seqlab.errors import Complaint, ExperimentError
from seqlab.registry import Resolved
from seqlab.registry.option_values import suggest

log = logging.getLogger(__name__)


def freeze(resolved: Resolved, model: nn.Module) -> NamedParameters:
    """Freeze what the patterns of `train.frozen` match; return the parameters that are trained.

    Raises:
        ExperimentError: a pattern matches no name, or nothing is left to train.
    """
    named = dict(model.named_parameters(remove_duplicate=False))  # both names of a tied weight
    complaints = []
    for number, pattern in enumerate(resolved.train.frozen):
        chosen = [p for name, p in named.items() if fnmatchcase(name, pattern)]
        if not chosen:
            message = f"no parameter has a name like '{pattern}'{suggest(pattern, named)}"
            complaints.append(_complaint(resolved, message, "frozen", number))
        for parameter in chosen:
            parameter.requires_grad_(False)
    trained: NamedParameters = [
        (name, p) for name, p in model.named_parameters() if p.requires_grad
    ]
    if not trained:
        key = ["frozen"] if resolved.train.frozen else []
        complaints.append(_complaint(resolved, "leaves no parameter to be trained", *key))
    if complaints:
        raise ExperimentError(complaints)
    return trained


def log_frozen(model: nn.Module, trained: NamedParameters) -> None:
    """Log how many parameters are trained, unless all are."""
    count = sum(parameter.numel() for _, parameter in trained)
    total = sum(parameter.numel() for parameter in model.parameters())
    if count < total:
        counts = f"{count:,}", f"{total:,}"
        log.info("%s of %s parameters are trained; the others are frozen.", *counts)


def _complaint(resolved: Resolved, message: str, *path: str | int) -> Complaint:
    origin = resolved.written.at(["train", *path]).origin
    return Complaint(str(origin), ".".join(map(str, ("train", *path))), message)
