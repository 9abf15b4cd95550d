"""Where the time of a training step goes."""

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
"""Is entered with a name around each part of a step."""

WARMUP, TRACED = 5, 10  # steps that are not counted; steps after them that the trace has

_nothing = nullcontext()


def unmeasured(name: str) -> AbstractContextManager[None]:  # noqa: ARG001 # as a Phase is called
    """Measure nothing: what a run that is not profiled has."""
    return _nothing


@dataclass
class Profile:
    """Adds up the seconds of each part of a step, and traces a few steps.

    On a GPU the end of each part waits for the device, so that its seconds are its own; a step then
    takes a little longer than without.

    Args:
        device: the model's.
        trace: the file that is written for chrome://tracing or ui.perfetto.dev.
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
            self._wait()
        if self._seen >= WARMUP:
            taken = time.perf_counter() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + taken

    @contextmanager
    def traced(self) -> Iterator[Callable[[], None]]:
        """Give a function to be called after each step; the trace is written once it is whole."""
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it talks on stderr of each start and end
        from torch.profiler import ProfilerActivity, profile, schedule

        kinds = [ProfilerActivity.CPU]
        if self.device.type == "cuda":
            kinds.append(ProfilerActivity.CUDA)
        plan = schedule(wait=WARMUP - 1, warmup=1, active=TRACED, repeat=1)
        # There is one cycle, so nothing accumulates; without the word torch warns that it does not.
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
        """Return the milliseconds a step of each part; `host` is the rest, evaluation included."""
        rest = {"host": max(self.total - sum(self.seconds.values()), 0.0)}
        steps = max(self.steps, 1)
        return {name: 1e3 * value / steps for name, value in {**self.seconds, **rest}.items()}

    def _write(self, profiler: profile) -> None:
        profiler.export_chrome_trace(str(self.trace))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
