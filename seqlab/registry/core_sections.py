"""The sections that the core itself reads, and what they must have of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqlab.experiment.kinds import KINDS, REQUIRED_SECTIONS
from seqlab.experiment.located import Located, Origin, locate
from seqlab.experiment.sections import OPTIONAL_SECTIONS, Model, Train, learned
from seqlab.registry.binding import as_written
from seqlab.registry.option_values import check_options
from seqlab.registry.section_binding import SectionBinder


def core_section(
    cls: type, section: Located | None, key: str, origin: Origin, binder: SectionBinder
) -> Any:
    """A section that the core reads itself; one that is not written has its defaults."""
    if section is None and key in (*OPTIONAL_SECTIONS, *REQUIRED_SECTIONS):
        return None
    section = section or Located({}, origin)
    if not isinstance(section.value, dict):
        binder.complain(section.origin, key, "should be a mapping")
        return None

    checked = check_options(
        binder.registry.signature_of(cls).options,
        section,
        key,
        f"section '{key}'",
        binder.bind_part,
    )
    binder.complaints += checked.complaints
    if checked.complaints:
        return None
    if key == "train":
        _check_train(checked.values, section, binder)
    return cls(**checked.values)


def embedding_of(model: Model | None, tree: Mapping[str, Located], binder: SectionBinder) -> Any:
    """The embedding; a number is the size of a learned one."""
    if model is None or not isinstance(model.embedding, int):
        return model and model.embedding
    origin = tree["model"].at(["embedding"]).origin
    section = locate(learned(model.embedding), origin)
    return binder.bind(KINDS["embedding"], "model.embedding", section)


def _check_train(values: Mapping[str, Any], section: Located, binder: SectionBinder) -> None:
    given = [key for key in ("epochs", "steps") if values[key] is not None]
    if not given:
        binder.complain(section.origin, "train", "needs epochs or steps")
    if len(given) == 2:
        message = "has epochs and steps; set one of them to null"
        binder.complain(section.at(["steps"]).origin, "train", message)
    stop = values["stop"]
    if stop is not None and stop.patience is None and stop.target is None:
        binder.complain(section.at(["stop"]).origin, "train.stop", "needs patience or target")


def check_watched(
    tree: Mapping[str, Located], core: Mapping[str, Any], binder: SectionBinder
) -> None:
    """The split that `train.stop` watches must be evaluated."""
    train, evaluation = core["train"], core["evaluation"]
    if train is None or train.stop is None:
        return
    if train.stop.split not in ("train", evaluation and evaluation.split):
        message = f"split '{train.stop.split}' is never scored; add a section `evaluation`"
        binder.complain(tree["train"].at(["stop"]).origin, "train.stop.split", message)


def unused_settings(model: Model | None, train: Train | None) -> Iterator[str]:
    """One notice for each setting without effect; None: a section with complaints."""
    one_hot = model and as_written(vars(model))["embedding"] == "one_hot"
    if model and model.residual and model.layers == 1 and one_hot:
        yield (
            "model.residual has no effect: the only layer reads one-hots, which are never added to"
            " its outputs; set model.layers or a size of model.embedding"
        )
    if train and train.stop and train.stop.min_delta and train.stop.patience is None:
        yield "train.stop.min_delta has no effect without train.stop.patience"
