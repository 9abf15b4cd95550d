"""An opened run and the name of an exporter -> files elsewhere, all of them or none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import torch

from seqlab.arguments import named_path
from seqlab.atomic import atomic_folder, sync_tree
from seqlab.contracts import Exporter, TrainedRun, offered
from seqlab.errors import PluginError, RunFailed, UsageError
from seqlab.experiment import Experiment
from seqlab.experiment.kinds import KINDS
from seqlab.experiment.located import Origin, locate
from seqlab.kernels import use_kernels
from seqlab.memory_remedies import MemoryRemedies
from seqlab.registry import Bound, Registry
from seqlab.registry.section_binding import SectionBinder
from seqlab.remedies import Argument
from seqlab.runs.folder import folder_of_name
from seqlab.runs.publishing import trained_run

if TYPE_CHECKING:
    from seqlab.runs.loaded_run import Run

KIND = KINDS["exporter"]
_INSIDE = ".content"  # so that an exporter sees only its own files


class Exported(NamedTuple):
    """Where an exporter has put a model.

    Args:
        exporter: its name.
        folder: that it made; None: it sent the model elsewhere.
        address: what it says of where the model is, if anything.
    """

    exporter: str
    folder: Path | None
    address: str | None

    @property
    def files(self) -> list[str]:
        """What is in the folder: paths from there, sorted."""
        found = self.folder.rglob("*") if self.folder else ()
        return sorted(str(path.relative_to(self.folder or "")) for path in found if path.is_file())


def find_exporter(name: str, options: Sequence[str], registry: Registry) -> Bound:
    """Return an exporter with options, each `OPTION=VALUE`.

    Raises:
        ExperimentError: there is no such exporter, or an option is not valid.
    """
    section = locate({KIND.name: {"name": name}}, Origin(str(Argument("to"))))
    chosen = Experiment("", section, "")
    tree = chosen.overridden([f"{KIND.name}.{option}" for option in options]).tree
    binder = SectionBinder(registry)
    bound = binder.bind(KIND, KIND.name, tree.items[KIND.name])
    binder.raise_complaints()
    assert bound is not None  # noqa: S101 # there would be a complaint
    return bound


def export(run: Run, bound: Bound, out: str | Path | None = None) -> Exported:
    """Write the model of a run in another form.

    Args:
        run: with the checkpoint that it was opened with.
        bound: the exporter.
        out: the folder that is made; None: named by the run and the exporter.

    Raises:
        UsageError: the folder exists, the exporter makes none, or the model has no such form.
        RunFailed: the files cannot be written.
        PluginError: the exporter failed.
    """
    name, exporter = bound.component.name, bound.build()
    if offered(exporter, "keeps_files") is False:
        if out is not None:
            raise UsageError(f"{Argument('out')}: exporter '{name}' leaves no files here")
        with TemporaryDirectory(prefix="seqlab-") as folder:
            return Exported(name, None, _call(bound, exporter, run, Path(folder)))
    path = _free(run, name, out)
    with _new_folder(path) as inside:
        address = _call(bound, exporter, run, inside)
        if not any(inside.iterdir()):
            raise PluginError(f"{bound.component} wrote no file")
    return Exported(name, path, address)


def _free(run: Run, name: str, out: str | Path | None) -> Path:
    """The folder to make, which must not be there yet."""
    default = f"{folder_of_name(run.description['name'], Path())}-{name}"
    path = named_path(default if out is None else out, "out")
    if os.path.lexists(path):
        raise UsageError(f"{path}: exists already; give another {Argument('out')}")
    return path


def _call(bound: Bound, exporter: Exporter, run: Run, folder: Path) -> str | None:
    parts = trained_run(run)
    remedy = "use a machine with more memory"
    with (
        MemoryRemedies("exporting", remedy),
        bound.attributed(),
        torch.no_grad(),
        use_kernels("reference"),
    ):
        return _export(bound, exporter, parts, folder)


def _export(bound: Bound, exporter: Exporter, parts: TrainedRun, folder: Path) -> str | None:
    try:
        return exporter.export(parts, folder)
    except ValueError as error:
        raise UsageError(f"{bound.component.label}: {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise RunFailed(f"{bound.component.label} cannot write or send: {reason}") from error


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Make a folder that gets its name, and all that is written into it, at the end."""
    try:
        with atomic_folder(path) as temporary:
            inside = temporary / _INSIDE
            inside.mkdir()
            yield inside
            sync_tree(inside)
            for entry in inside.iterdir():
                entry.rename(temporary / entry.name)
            inside.rmdir()
    except OSError as error:
        raise RunFailed(f"{path}: cannot be made or written ({error.strerror})") from None
