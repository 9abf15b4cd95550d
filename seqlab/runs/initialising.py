"""The initial weights that an experiment asks for."""

from __future__ import annotations

from seqlab.errors import Complaint, ExperimentError
from seqlab.model.initial import WrongInitial, initialise
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Resolved


def initialise_as_asked(resolved: Resolved, model: LanguageModel) -> None:
    """Give parameters the initial weights that `model.initial` asks for.

    Raises:
        ExperimentError: an entry is wrong, or matches no parameter.
    """
    settings = resolved.model
    try:
        initialise(model, settings.initials)
    except WrongInitial as wrong:
        number = [wrong.number] if isinstance(settings.initial, list) else []
        path: list[str | int] = ["model", "initial", *number, *filter(None, [wrong.key])]
        origin = resolved.written.at(path).origin
        complaint = Complaint(str(origin), ".".join(map(str, path)), str(wrong))
        raise ExperimentError([complaint]) from None
