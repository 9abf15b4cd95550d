"""Measure the parts of a training step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

if TYPE_CHECKING:
    from torch.profiler import profile

Phase: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""A function of the name of a part of a step; its context manager is entered around the part."""

WARMUP, TRACED = 5, 10  # steps: not counted at first, then traced

_null_context = nullcontext()


def unmeasured(name: str) -> AbstractContextManager[None]:  # noqa: ARG001 # a Phase takes a name
    """Measure nothing: the phase of a run without profiling."""
    return _null_context


@dataclass
class Profile:
    """Adds up the seconds of each part of a step, and traces a few steps.

    On a GPU each part waits for the device at its end, which slows a step down a little.

    Args:
        device: the model's.
        trace: the file to write, for chrome://tracing or ui.perfetto.dev.
    """

    device: torch.device
    trace: Path
    seconds: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    total: float = 0.0
    _seen: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure one part of a step."""
        from torch.profiler import record_function

        begun = time.perf_counter()
        with record_function(f"seqlab: {name}"):
            yield
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        if self._seen >= WARMUP:
            seconds = time.perf_counter() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextmanager
    def traced(self) -> Iterator[Callable[[], None]]:
        """Yield a function to call after each step; the trace is written when it is complete."""
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it logs each start and end to stderr
        from torch.profiler import ProfilerActivity, profile, schedule

        kinds = [ProfilerActivity.CPU]
        if self.device.type == "cuda":
            kinds.append(ProfilerActivity.CUDA)
        plan = schedule(wait=WARMUP - 1, warmup=1, active=TRACED, repeat=1)
        # Without acc_events torch warns that events of several cycles are lost; there is one cycle.
        with profile(
            activities=kinds, schedule=plan, on_trace_ready=self._write, acc_events=True
        ) as profiler:
            begun = time.perf_counter()

            def step_ended() -> None:
                nonlocal begun
                self._seen += 1
                if self._seen > WARMUP:
                    self.steps += 1
                    self.total += time.perf_counter() - begun
                profiler.step()
                begun = time.perf_counter()

            yield step_ended

    def summary(self) -> dict[str, float]:
        """Return milliseconds per step of each part; `host` is the rest, evaluation included."""
        host = max(self.total - sum(self.seconds.values()), 0.0)
        seconds = {**self.seconds, "host": host}
        return {name: 1e3 * value / max(self.steps, 1) for name, value in seconds.items()}

    def _write(self, profiler: profile) -> None:
        profiler.export_chrome_trace(str(self.trace))
