"""What writes the model of a run in another form.

Shapes: B rows, T window, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import nn

    from seqlab.contracts.data import Tokenizer


@dataclass(frozen=True)
class TrainedRun:
    """The parts of a run that an exporter is given.

    There are no absolute paths and no settings of the machine in them, so all of it may be
    published.

    Args:
        name: of the experiment.
        step: of the checkpoint.
        model: in evaluation mode, on the CPU. `model(ids, state)` maps ids (B, T) and the state
            before (None: fresh rows) to logits (B, T, V) and the state after.
        tokenizer: with the trained vocabulary.
        experiment: with every default filled in, as nested mappings.
        description: the content of `run.json`.
        results: the last row of metrics of each split, up to the step.
        save: writes a run folder with this checkpoint into an empty folder: what `seqlab.open_run`
            needs, and not what training needs.
    """

    name: str
    step: int
    model: nn.Module
    tokenizer: Tokenizer
    experiment: Mapping[str, Any]
    description: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Any]]
    save: Callable[[Path], None]


class Exporter(Protocol):
    """Writes the model of a run in another form. Factory: `(*, options)`.

    Optional: `keeps_files = False` says that it sends the model elsewhere; the folder is then
    removed after the export.
    """

    def export(self, run: TrainedRun, folder: Path) -> str | None:
        """Write files into an empty folder, which gets its name when all are there.

        Gradients are off, and the operations of seqlab's cells are in plain torch. The model stays
        as it is.

        Returns:
            Where the model is, if that is not the folder, such as an address.

        Raises:
            ValueError: this model has no such form; the message says why.
            RunFailed: it cannot be written or sent.
        """
