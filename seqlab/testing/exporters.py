"""What an exporter promises."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from seqlab.contracts import TrainedRun, offered
from seqlab.kernels import use_kernels
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.trained_runs import trained_run

SECRET = "a-token-that-is-a-secret"  # noqa: S105 # it is none


@contextmanager
def _exported(subject: Subject, run: TrainedRun) -> Iterator[Path]:
    """The folder of an export, in a working folder of its own."""
    exporter = subject.build()
    if offered(exporter, "keeps_files") is False:
        raise NotApplicable("it sends a model elsewhere")
    before = Path.cwd()
    with TemporaryDirectory() as place:
        os.chdir(place)
        try:
            folder = Path(place) / "export"
            folder.mkdir()
            with torch.no_grad(), use_kernels("reference"):
                try:
                    exporter.export(run, folder)
                except ValueError as error:
                    raise NotApplicable(f"it does not export this model: {error}") from None
            yield folder
        finally:
            os.chdir(before)


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def files_are_in_the_folder_alone(subject: Subject) -> None:
    """It writes files, and no others than in the folder that it is given."""
    with _exported(subject, trained_run()) as folder:
        expect(bool(_files(folder)), "a file in the folder", "none")
        others = sorted(path.name for path in folder.parent.iterdir() if path != folder)
        expect(not others, "no file beside the folder", others)
        links = [path.name for path in folder.rglob("*") if path.is_symlink()]
        expect(not links, "no links, which lead out of the folder", links)


def another_export_has_the_same_files(subject: Subject) -> None:
    """Exported again, the same run has files of the same names."""
    with _exported(subject, trained_run()) as folder:
        first = sorted(_files(folder))
    with _exported(subject, trained_run()) as folder:
        again = sorted(_files(folder))
    expect(again == first, f"the files {first} again", again)


def run_stays_as_it_is(subject: Subject) -> None:
    """Model, experiment and description stay as they are, and so do global random states."""
    run = trained_run()
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    before = copy.deepcopy((dict(run.experiment), dict(run.description)))
    with random_states_left_alone(), _exported(subject, run):
        pass
    after = run.model.state_dict()
    same = weights.keys() == after.keys() and all(torch.equal(weights[n], after[n]) for n in after)
    expect(same, "the weights to stay as they are", "others")
    expect(not run.model.training, "the model to stay in evaluation mode", "it is in training mode")
    gradients = all(parameter.requires_grad for parameter in run.model.parameters())
    expect(gradients, "parameters to keep `requires_grad`", "some do not")
    now = (dict(run.experiment), dict(run.description))
    expect(now == before, "experiment and description to stay as they are", "others")


def nothing_of_the_machine_is_written(subject: Subject) -> None:
    """No file names the working folder or the home, and none has a secret of the environment."""
    before = os.environ.get("SEQLAB_SECRET")
    os.environ["SEQLAB_SECRET"] = SECRET
    try:
        with _exported(subject, trained_run()) as folder:
            private = [SECRET, str(folder), str(folder.parent), str(Path.home() / "")]
            private = [text for text in private if len(text) > 4]
            for name, data in _files(folder).items():
                found = [text for text in private if text.encode() in data]
                expect(not found, "files without paths and secrets of a machine", (name, found))
    finally:
        if before is None:
            del os.environ["SEQLAB_SECRET"]
        else:
            os.environ["SEQLAB_SECRET"] = before
