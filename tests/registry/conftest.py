"""Plugins as a stranger writes them: a file that is dropped in, or a package that is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import seqlab
from seqlab.registry import Resolved, resolve
from seqlab.registry.kinds import KINDS


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
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package of one module with one entry point, as pip would."""
    before = set(sys.modules)

    def install(name: str, source: str, point: str = "", version: str = "1.0") -> None:
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}.py").write_text(dedent(source), "utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[seqlab]\n{point or f'{name} = {name}'}\n")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()

    yield install
    for module in set(sys.modules) - before:
        if "site-" in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


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
