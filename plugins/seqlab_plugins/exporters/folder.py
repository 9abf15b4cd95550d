"""A folder with all that it takes to use a model."""

from __future__ import annotations

from pathlib import Path

from seqlab import Exporter, TrainedRun, hookimpl
from seqlab_plugins.exporters.model_card import model_card

USE = """\
```
pip install seqlab
seqlab generate PATH/OF/THIS/FOLDER
```

```python
import seqlab

run = seqlab.open_run("PATH/OF/THIS/FOLDER")
print(run.generate("…")[0].text)
logits = run.model(run.tokenizer.encode("…"))
```"""


class Folder:
    """A folder that `seqlab.open_run` reads: weights, tokenizer, experiment and a model card.

    `generate`, `score` and `eval` take it as a run, and `train.init_from` its weights. It has no
    state of training and no paths of this machine.

    Args:
        license: of the weights, by its name on the model card.
    """

    def __init__(self, *, license: str = "unknown") -> None:  # noqa: A002 # the word of model cards
        self._license = license

    def export(self, run: TrainedRun, folder: Path) -> None:
        run.save(folder)
        (folder / "README.md").write_text(model_card(run, self._license, USE), "utf-8")


@hookimpl
def seqlab_register_exporters() -> dict[str, type[Exporter]]:
    return {"folder": Folder}
