"""An exporter for those who compute with NumPy alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import seqlab

SEQLAB_API = 2


class NumpyArrays:
    """All weights in one `.npz`, and the bytes of every token as JSON (hexadecimal digits)."""

    def export(self, run: seqlab.TrainedRun, folder: Path) -> None:
        weights = {name: value.numpy() for name, value in run.model.state_dict().items()}
        np.savez(folder / "weights.npz", **weights)
        tokens = [run.tokenizer.token_bytes(token).hex() for token in range(run.tokenizer.size)]
        (folder / "tokens.json").write_text(json.dumps(tokens), "utf-8")


@seqlab.hookimpl
def seqlab_register_exporters() -> dict[str, type[seqlab.Exporter]]:
    return {"numpy_arrays": NumpyArrays}
