"""Plugins as a stranger writes them: a file that is dropped in, or a package that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

import pytest

import seqlab
from seqlab.experiment.kinds import KINDS
from seqlab.registry import Resolved, resolve


@pytest.fixture(scope="session")
def load_file(tmp_path_factory) -> Callable[[str], seqlab.Registry]:
    """Load what is installed and one file, for modules whose tests share a plugin."""

    def load_file(source: str) -> seqlab.Registry:
        folder = tmp_path_factory.mktemp("plugins")
        (folder / "dropped.py").write_text(source, "utf-8")
        return seqlab.load_plugins(folder)

    return load_file


@pytest.fixture
def offering() -> Callable[..., str]:
    """Return the source of a plugin that offers `mine`, which `source` defines, under names."""

    def offering(source: str, *names: str, kind: str = "decoder") -> str:
        offers = ", ".join(f"{name!r}: mine" for name in names or ["mine"])
        hook = f"@hookimpl\ndef {KINDS[kind].hook}():\n    return {{{offers}}}\n"
        future = "from __future__ import annotations\n"
        early = future if future in source else ""
        return f"{early}from seqlab import hookimpl\n{dedent(source).replace(future, '')}\n{hook}"

    return offering


@pytest.fixture
def offer(drop, offering, registry) -> Callable[..., seqlab.Registry]:
    """Load a plugin that offers `mine`, which `source` defines, and nothing else."""

    def offer(source: str, kind: str = "decoder") -> seqlab.Registry:
        drop(offering(source, kind=kind))
        return seqlab.load_plugins(without=[plugin.name for plugin in registry.plugins])

    return offer


@pytest.fixture
def resolved(tiny) -> Callable[..., Resolved]:
    """Resolve the tiny experiment with other sections; a section of `...` is left out."""

    def resolved(registry: seqlab.Registry, **sections: Any) -> Resolved:
        merged = {key: value for key, value in (tiny | sections).items() if value is not ...}
        return resolve(seqlab.read_experiment(merged), registry)

    return resolved


@pytest.fixture
def refused(resolved) -> Callable[..., seqlab.ExperimentError]:
    """Return the error with which the tiny experiment with other sections is refused."""

    def refused(registry: seqlab.Registry, **sections: Mapping[str, Any] | Any) -> Any:
        with pytest.raises(seqlab.ExperimentError) as caught:
            resolved(registry, **sections)
        return caught.value

    return refused
