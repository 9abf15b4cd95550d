"""A component with its options, ready to be built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.errors import Complaint, ExperimentError, PluginError, RunFailed, SeqlabError
from seqlab.interrupts import reraise_interrupt
from seqlab.memory import is_out_of_memory, largest, requested_size
from seqlab.registry.error_summary import raised_in_core
from seqlab.registry.kinds import KINDS
from seqlab.registry.named_files import named_files
from seqlab.registry.plugins import Component


@dataclass(frozen=True)
class Bound:
    """A component with its options, ready to be built; `where` locates its section."""

    component: Component
    options: Mapping[str, Any]
    where: str

    def build(self, *supplied: Any) -> Any:
        """Call the factory.

        Raises:
            ExperimentError: the component refuses its options (it raised ValueError).
            RunFailed: out of memory.
            PluginError: it failed in any other way, or what it made lacks a method.
        """
        with self.attributed():
            try:
                part = self.component.factory(*supplied, **self.options)
            except ValueError as error:
                if is_out_of_memory(error):
                    raise
                complaint = Complaint(self.where, self.component.kind, str(error))
                raise ExperimentError([complaint]) from error
        self._expect_methods(part)
        return part

    def _expect_methods(self, part: Any) -> None:
        kind = KINDS[self.component.kind]
        missing = [[name for name in form if not hasattr(part, name)] for form in kind.methods]
        if missing and all(missing):
            text = " or ".join(" and ".join(f"`{name}`" for name in form) for form in missing)
            raise PluginError(
                f"{self.component} lacks the method {text}, which every {kind.name} has (see"
                " seqlab.contracts)"
            )

    @contextmanager
    def attributed(self) -> Iterator[None]:
        """Name this component in any error of its code.

        Raises:
            RunFailed: out of memory.
            PluginError: for any other exception that is no `SeqlabError`.
        """
        try:
            yield
        except SeqlabError:
            raise
        except BaseException as error:
            reraise_interrupt(error)
            if isinstance(error, GeneratorExit) and raised_in_core(error):
                raise  # the reader of the documents stopped early
            if is_out_of_memory(error):
                raise self._out_of_memory(error) from error
            failure = f"{type(error).__name__}: {error}"
            raise PluginError(f"{self.component} failed: {failure}") from error

    def _out_of_memory(self, error: BaseException) -> RunFailed:
        """Name the likely reason: the option with the largest number."""
        option, size = largest(self.options), requested_size(error)
        needs = "needs more memory than there is" + (f" ({size})" if size else "")
        message = f"{self.options[option]:,} is too large: it {needs}" if option else needs
        key = ".".join(filter(None, (self.component.kind, option)))
        return RunFailed(str(Complaint(self.where, key, message)))

    def identity(self, exclude: Iterable[Path] = ()) -> dict[str, Any] | None:
        """JSON values that its behaviour follows from; None: they cannot be known.

        These are its name, its options, the files that they name (except those in `exclude`), its
        code and data, and the versions of the libraries that it imports.
        """
        needs, files = self.component.dependencies(), named_files(self.options, exclude)
        if not needs.known or files is None:
            return None
        parts = {"code": needs.code, "data": needs.data, "libraries": needs.libraries}
        return {**self.as_section(), **parts, "files": files}

    def as_section(self) -> dict[str, Any]:
        """The section of an experiment that gives this component and these options."""
        return {"name": self.component.name, **to_jsonable_python(dict(self.options))}
