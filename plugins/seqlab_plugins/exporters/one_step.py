"""A model as one step: token ids and the state before -> logits and the state after.

Shapes: B rows, T window, V vocabulary size.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from seqlab import State, TrainedRun, map_state

TOLERANCE = 1e-5
"""By how much a logit may differ from that of the run; of the largest one if that is above 1."""
STEPS = 8  # that are compared
DESCRIPTION = "step.json"

Run: TypeAlias = Callable[[Tensor, Sequence[Tensor]], Sequence[Tensor]]
"""Ids (B,) and the tensors of the state before -> logits (B, V) and the tensors after."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FIXED_ROWS = re.compile(r"Constraints violated \(rows\)|specialized.*constant|rows = \d")


class OneStep(nn.Module):
    """Maps ids (B,) int64 and the tensors of a state to logits (B, V) and the tensors after.

    Every tensor of the state has the rows first; zeros are a fresh row.

    Raises:
        ValueError: the model reads ahead, so that it has no step.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if getattr(model, "reads_ahead", False):
            raise ValueError(
                "its cells read ahead, so there is no step for one token after another"
            )
        self.model = model
        logits, self._form = model(torch.zeros(1, 1, dtype=torch.int64), None)
        self.dtype = logits.dtype
        self.states = [f"state_{number}" for number in range(len(_flat(self._form)))]

    def fresh(self, rows: int) -> list[Tensor]:
        """Return the tensors of a state of fresh rows."""
        return [part.new_zeros(rows, *part.shape[1:]) for part in _flat(self._form)]

    def forward(self, ids: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        parts = iter(state)
        before = map_state(lambda _: next(parts), self._form)
        logits, after = self.model(ids.unsqueeze(1), before)
        return logits[:, 0], *_flat(after)


def _flat(state: State) -> list[Tensor]:
    """The tensors of a state, from left to right."""
    parts: list[Tensor] = []
    map_state(lambda part: parts.append(part) or part, state)  # type: ignore[func-returns-value]
    return parts


def traced(step: OneStep) -> Any:
    """Trace a step for any number of rows, and forget where its code lies on this machine.

    Returns:
        A `torch.export.ExportedProgram`.

    Raises:
        ValueError: it cannot be traced.
    """
    ids, state = torch.zeros(2, dtype=torch.int64), step.fresh(2)  # one row would be a constant
    rows = {0: torch.export.Dim("rows", min=1)}
    shapes = (rows, tuple(rows for _ in state)) if state else (rows,)
    try:
        with quiet():
            program = torch.export.export(step, (ids, *state), dynamic_shapes=shapes)
    except Exception as error:  # whatever a tracer, or the code of a cell under it, raises
        raise ValueError(f"torch.export cannot trace it: {_traced_reason(error)}") from error
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)
    return program


def _traced_reason(error: Exception) -> str:
    if _FIXED_ROWS.search(str(error)):
        return (
            "its code takes the number of rows for a constant; write `inputs.shape[0]`, and not"
            " `len(inputs)` or a number"
        )
    return first_line(error)


def first_line(error: BaseException) -> str:
    """Return the first line of what caused an error, in plain text."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = _COLOURS.sub("", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class quiet(warnings.catch_warnings):  # noqa: N801 # it is used as a function
    """Keep warnings that a library has about itself from the user."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered


def expect_same_logits(run: TrainedRun, step: OneStep, exported: Run) -> None:
    """Compare several steps of what was exported with a window of the run.

    Raises:
        ValueError: a logit differs by more than `TOLERANCE`.
    """
    for rows in (1, 3):
        difference = max(_differences(run, step, exported, rows))
        if not difference <= TOLERANCE:  # nan, too
            raise ValueError(
                f"what was exported has other logits than the run: by {difference:.1e}, where"
                f" {TOLERANCE:.0e} is allowed; it is removed"
            )


def _differences(run: TrainedRun, step: OneStep, exported: Run, rows: int) -> Iterator[float]:
    chosen = np.random.default_rng(0).integers(run.tokenizer.size, size=(rows, STEPS))
    ids = torch.from_numpy(chosen)
    expected, _ = run.model(ids, None)  # (B, T, V)
    largest = max(1.0, float(expected.abs().max()))
    state: Sequence[Tensor] = step.fresh(rows)
    for number in range(STEPS):
        logits, *state = exported(ids[:, number], state)
        yield float((logits - expected[:, number]).abs().max()) / largest


def describe(run: TrainedRun, step: OneStep, folder: Path) -> None:
    """Write what a program needs besides the model: its inputs and outputs, and the tokens."""
    tokenizer, state = run.tokenizer, list(zip(step.states, step.fresh(1), strict=True))
    size = tokenizer.size
    content = {
        "inputs": [_tensor("ids", torch.int64), *(_tensor(n, t.dtype, t) for n, t in state)],
        "outputs": [
            {**_tensor("logits", step.dtype), "shape": ["rows", size]},
            *(_tensor(f"{name}_after", part.dtype, part) for name, part in state),
        ],
        "fresh_state": "zeros",
        "end_of_document": tokenizer.end_of_document,
        "unknown_token": getattr(tokenizer, "unknown_token", None),
        "reserved": dict(getattr(tokenizer, "reserved", None) or {}),
        "tokens": [tokenizer.token_bytes(token).hex() for token in range(size)],
    }
    (folder / DESCRIPTION).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _tensor(name: str, dtype: torch.dtype, like: Tensor | None = None) -> dict[str, Any]:
    sizes = [] if like is None else list(like.shape[1:])
    return {"name": name, "type": str(dtype).removeprefix("torch."), "shape": ["rows", *sizes]}
