"""A component with its options, ready to be built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.errors import Complaint, ExperimentError, PluginError, RunFailed, SeqlabError
from seqlab.interrupts import let_pass
from seqlab.memory import largest, no_room, wanted
from seqlab.registry.error_summary import raised_in_core
from seqlab.registry.kinds import KINDS
from seqlab.registry.named_files import named_files
from seqlab.registry.plugins import Component


@dataclass(frozen=True)
class Bound:
    """A component with its options, ready to be built. `where` is the place of its section."""

    component: Component
    options: Mapping[str, Any]
    where: str

    def build(self, *supplied: Any) -> Any:
        """Call the factory.

        Raises:
            ExperimentError: the component refuses its options (it raised ValueError).
            RunFailed: there is not so much memory.
            PluginError: it failed in any other way, or what it made lacks a method.
        """
        with self.blamed():
            try:
                part = self.component.factory(*supplied, **self.options)
            except ValueError as error:
                if no_room(error):
                    raise
                complaint = Complaint(self.where, self.component.kind, str(error))
                raise ExperimentError([complaint]) from error
        self._expect_methods(part)
        return part

    def _expect_methods(self, part: Any) -> None:
        """See to it, before anything is trained, that a part has the methods of its promise."""
        component = self.component
        forms = KINDS[component.kind].methods
        lacking = [[name for name in form if not hasattr(part, name)] for form in forms]
        if lacking and all(lacking):
            said = " or ".join(" and ".join(f"`{name}`" for name in form) for form in lacking)
            raise PluginError(
                f"{component.kind} '{component.name}' of plugin '{component.plugin}' lacks the"
                f" method {said}, which every {component.kind} has (see seqlab.contracts)"
            )

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Name this component in whatever goes wrong in its code.

        Raises:
            RunFailed: memory could not be had.
            PluginError: for any other exception that is not already a clear message.
        """
        try:
            yield
        except SeqlabError:
            raise
        except BaseException as error:
            let_pass(error)
            if isinstance(error, GeneratorExit) and raised_in_core(error):
                raise  # whoever read the documents has seen enough
            if no_room(error):
                raise self._too_large(error) from error
            component = self.component
            raise PluginError(
                f"{component.kind} '{component.name}' of plugin '{component.plugin}' failed:"
                f" {type(error).__name__}: {error}"
            ) from error

    def _too_large(self, error: BaseException) -> RunFailed:
        """Name the option that may be the reason: the one with the largest number."""
        kind, option, size = self.component.kind, largest(self.options), wanted(error)
        needs = "needs more memory than there is" + (f" ({size})" if size else "")
        said = f"{self.options[option]:,} is too large: it {needs}" if option else needs
        key = f"{kind}.{option}" if option else kind
        return RunFailed(str(Complaint(self.where, key, said)))

    def identity(self, besides: Iterable[Path] = ()) -> dict[str, Any] | None:
        """JSON values that say what it does; None: that cannot be known.

        These are its name, its options, the files that they name, all code and data that it is
        made of, and the versions of the libraries that it imports.

        Args:
            besides: files whose content is told otherwise.
        """
        made, files = self.component.made_of(), named_files(self.options, besides)
        if not made.known or files is None:
            return None
        parts = {"code": made.code, "data": made.data, "libraries": made.libraries}
        return {**self.as_section(), **parts, "files": files}

    def as_section(self) -> dict[str, Any]:
        """The section of an experiment that says all of this."""
        return {"name": self.component.name, **to_jsonable_python(dict(self.options))}
