"""What to lower where a task has not enough memory."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from seqlab.errors import RunFailed
from seqlab.remedies import Argument


@dataclass(frozen=True)
class MemoryRemedies:
    """Blocks in which an error of memory becomes a RunFailed that says what helps.

    `task` is what needs the memory; `remedy` is what to do.
    """

    task: str
    remedy: str

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, RunFailed):
            return
        from seqlab.memory import is_out_of_memory, requested_size

        if is_out_of_memory(error):
            size = requested_size(error)
            needed = f"more memory than there is{f' ({size} were requested)' if size else ''}"
            raise RunFailed(f"{self.task} needs {needed}; {self.remedy}") from error


def while_scoring(split: str, batch_size: int | None, window: int) -> MemoryRemedies:
    """Name what lowers the memory of an evaluation and changes no number."""
    at_once = f"{batch_size:,}" if batch_size else f"all {Argument('rows')} are scored at once"
    remedy = f"lower {Argument('batch_size')} ({at_once}) or {Argument('window')} ({window:,})"
    return MemoryRemedies(f"scoring split '{split}'", remedy)
