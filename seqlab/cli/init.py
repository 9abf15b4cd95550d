"""`seqlab init`: a working folder for people who installed a wheel."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import click

import seqlab
from seqlab.cli.options import PATH
from seqlab.cli.streams import out
from seqlab.errors import RunFailed, UsageError
from seqlab.printable import one_line, pasted


@click.command("init")
@click.argument("folder", type=PATH)
def command(folder: Path) -> None:
    """Lay out FOLDER with experiments/ and plugins/. What is there already is left as it is."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder")
    try:
        for source, name in _templates():
            _place(source, folder / name)
    except OSError as error:
        raise RunFailed(f"{error.filename}: cannot be written ({error.strerror})") from None
    out(f"\nNow: {pasted(['cd', folder])} && seqlab run experiments/jay_rnn.yaml")


def _place(source: Path, target: Path) -> None:
    if target.exists():
        out(one_line(f"kept     {target}"))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    out(one_line(f"written  {target}"))


def _templates() -> Iterator[tuple[Path, str]]:
    """Experiments and the dropped-in example, from the wheel or from a checkout."""
    package = Path(seqlab.__file__).parent
    home = package / "templates"
    if not home.is_dir():
        home = package.parent
    for pattern in ("experiments/*.yaml", "experiments/schema.json", "plugins/*.*"):
        for path in sorted(home.glob(pattern)):
            yield path, str(path.relative_to(home))
