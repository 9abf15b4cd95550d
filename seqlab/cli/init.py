"""`seqlab init`: a working folder with experiments and a plugin."""

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
    """Create FOLDER with experiments/ and plugins/. Existing files are kept."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder")
    try:
        lines = [_copy(source, folder / name) for source, name in _templates()]
    except OSError as error:
        raise RunFailed(f"{error.filename}: cannot be written ({error.strerror})") from None
    for line in lines:  # all files are there before anybody can stop reading
        out(one_line(line))
    out(f"\nNow: {pasted(['cd', folder])} && seqlab run experiments/jay_rnn.yaml")


def _copy(source: Path, target: Path) -> str:
    if target.exists():
        return f"kept     {target}"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return f"written  {target}"


def _templates() -> Iterator[tuple[Path, str]]:
    """The experiments and the example plugin, from the wheel or from a checkout."""
    package = Path(seqlab.__file__).parent
    home = package / "templates"
    if not home.is_dir():
        home = package.parent
    for pattern in ("experiments/*.yaml", "experiments/schema.json", "plugins/*.*"):
        for path in sorted(home.glob(pattern)):
            yield path, str(path.relative_to(home))
