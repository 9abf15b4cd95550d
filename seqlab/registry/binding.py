"""A component with its options, ready to be built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from seqlab.errors import Complaint, ExperimentError, PluginError, SeqlabError
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
            PluginError: it failed in any other way.
        """
        with self.blamed():
            try:
                return self.component.factory(*supplied, **self.options)
            except ValueError as error:
                complaint = Complaint(self.where, self.component.kind, str(error))
                raise ExperimentError([complaint]) from error

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Name this component in whatever goes wrong in its code.

        Raises:
            PluginError: for any exception that is not already a clear message.
        """
        try:
            yield
        except SeqlabError:
            raise
        except Exception as error:
            component = self.component
            raise PluginError(
                f"{component.kind} '{component.name}' of plugin '{component.plugin}' failed:"
                f" {type(error).__name__}: {error}"
            ) from error

    def identity(self) -> dict[str, Any]:
        """JSON values that say what it does: name, options, and the source that it is made of."""
        return {**self.as_section(), "source": self.component.source_hash()}

    def as_section(self) -> dict[str, Any]:
        """The section of an experiment that says all of this."""
        return {"name": self.component.name, **to_jsonable_python(dict(self.options))}
