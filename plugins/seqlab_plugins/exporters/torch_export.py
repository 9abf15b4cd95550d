"""A program of torch.export, which torch runs without the code of seqlab."""

from __future__ import annotations

from pathlib import Path

import torch

from seqlab import Exporter, TrainedRun, hookimpl
from seqlab_plugins.exporters.model_card import model_card
from seqlab_plugins.exporters.one_step import (
    OneStep,
    describe,
    expect_same_logits,
    quiet,
    traced,
)

FILE = "model.pt2"
USE = """\
`model.pt2` is one step: token ids and the state before, to logits and the state after.
`step.json` names its tensors and has the bytes of each token.

```python
import torch

step = torch.export.load("model.pt2").module()
logits, *state = step(ids, *state)  # ids: (rows,) int64; the first state is zeros
```"""


class TorchExport:
    """One step of the model with its state, as a program of torch.export (.pt2).

    Any number of rows. Its logits are compared with those of the run before it is kept.

    Args:
        license: of the weights, by its name on the model card.
    """

    def __init__(self, *, license: str = "unknown") -> None:  # noqa: A002 # the word of model cards
        self._license = license

    def export(self, run: TrainedRun, folder: Path) -> None:
        step, path = OneStep(run.model), folder / FILE
        program = traced(step)
        with quiet():
            torch.export.save(program, path)
            loaded = torch.export.load(path).module()
        expect_same_logits(run, step, lambda ids, state: loaded(ids, *state))
        describe(run, step, folder)
        (folder / "README.md").write_text(model_card(run, self._license, USE), "utf-8")


@hookimpl
def seqlab_register_exporters() -> dict[str, type[Exporter]]:
    return {"torch_export": TorchExport}
