"""An ONNX model, which programs in other languages run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqlab import Exporter, TrainedRun, hookimpl
from seqlab_plugins.exporters.model_card import model_card
from seqlab_plugins.exporters.one_step import (
    OneStep,
    describe,
    expect_same_logits,
    first_line,
    quiet,
    traced,
)

log = logging.getLogger(__name__)
FILE = "model.onnx"
NEEDED = ("onnx", "onnxscript")
USE = """\
`model.onnx` is one step: token ids and the state before, to logits and the state after.
`step.json` names its tensors and has the bytes of each token.

```python
import onnxruntime

step = onnxruntime.InferenceSession("model.onnx")
logits, *state = step.run(None, {"ids": ids, "state_0": zeros})  # ids: (rows,) int64
```"""


class Onnx:
    """One step of the model with its state, as an ONNX model.

    Inputs are `ids` and `state_0`, …, outputs `logits` and `state_0_after`, …, of any number of
    rows. Its logits are compared with those of the run before it is kept.
    Needs the extra: pip install 'seqlab[onnx]'.

    Args:
        license: of the weights, by its name on the model card.
    """

    def __init__(self, *, license: str = "unknown") -> None:  # noqa: A002 # the word of model cards
        if not all(map(find_spec, NEEDED)):
            raise ValueError("exporter 'onnx' needs packages: pip install 'seqlab[onnx]'")
        self._license = license

    def export(self, run: TrainedRun, folder: Path) -> None:
        step, path = OneStep(run.model), folder / FILE
        _translated(step).save(path)
        if session := _session(path):
            expect_same_logits(run, step, lambda ids, state: _run(session, step, ids, state))
        else:
            log.warning("onnxruntime is not installed, so the logits were not compared")
        describe(run, step, folder)
        (folder / "README.md").write_text(model_card(run, self._license, USE), "utf-8")


def _translated(step: OneStep) -> Any:
    """Return the step as a program of ONNX, without paths of this machine."""
    program = traced(step)
    try:
        with quiet(), _silent("torch.onnx"):
            translated = torch.onnx.export(
                program,
                (),
                input_names=["ids", *step.states],
                output_names=["logits", *(f"{name}_after" for name in step.states)],
                verbose=False,
            )
    except Exception as error:  # an operation without a translation, in one of many ways
        raise ValueError(f"it cannot be written as ONNX: {first_line(error)}") from error
    assert translated is not None  # noqa: S101 # it is None for a file, which is not asked for
    _tidy(translated.model.graph)
    return translated


def _tidy(graph: Any) -> None:
    """Take the notes of the tracer away, which have paths; name the first dimension `rows`."""
    import onnx_ir

    graph.metadata_props.clear()
    for node in graph.all_nodes():
        node.metadata_props.clear()
    for value in [*graph.inputs, *graph.outputs]:
        value.metadata_props.clear()
        value.shape = onnx_ir.Shape(["rows", *list(value.shape)[1:]])


def _session(path: Path) -> Any:
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _run(session: Any, step: OneStep, ids: Tensor, state: Sequence[Tensor]) -> list[Tensor]:
    given = {"ids": ids, **dict(zip(step.states, state, strict=True))}
    outputs = session.run(None, {name: value.numpy() for name, value in given.items()})
    return [torch.from_numpy(output) for output in outputs]


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Leave out what a library logs about itself."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@hookimpl
def seqlab_register_exporters() -> dict[str, type[Exporter]]:
    return {"onnx": Onnx}
