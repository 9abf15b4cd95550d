"""The files that a shell reads when it starts: what is written into them, and taken away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from seqlab.errors import RunFailed
from seqlab.printable import pasted

MARK = "# seqlab completion"


@dataclass(frozen=True)
class ShellFiles:
    """`script` is read by a line in `startup`; None: the shell finds the script by itself."""

    script: Path
    startup: Path | None = None

    @property
    def line(self) -> str:
        quoted = pasted([self.script])
        return f"[ -f {quoted} ] && . {quoted}  {MARK}"

    @property
    def now(self) -> str:
        """What makes a shell that runs already read the script."""
        return pasted(["source" if self.startup is None else ".", self.script])


def files_of(shell: str) -> ShellFiles:
    """The files of a shell: bash, zsh or fish."""
    home = Path.home()
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return ShellFiles(config / "fish" / "completions" / "seqlab.fish")
    script = user_data_path("seqlab") / f"completion.{shell}"
    folder = Path(os.environ.get("ZDOTDIR") or home) if shell == "zsh" else home
    return ShellFiles(script, folder / f".{shell}rc")


def install_files(files: ShellFiles, script: str) -> list[str]:
    """Write the script, and the line that reads it where there is none; return what was done.

    Raises:
        RunFailed: a file cannot be read or written.
    """
    with _naming_the_file():
        changes = [_write_script(files.script, script)]
        if files.startup is not None:
            changes.append(_add_line(files.startup, files.line))
    return changes


def remove_files(files: ShellFiles) -> list[str]:
    """Take the script and the line away; return what was done.

    Raises:
        RunFailed: a file cannot be read or written.
    """
    changes = []
    with _naming_the_file():
        if files.startup is not None and _without_line(files.startup):
            changes.append(f"Took a line out of {files.startup}")
        if files.script.exists():
            files.script.unlink()
            changes.append(f"Removed {files.script}")
    return changes


def _write_script(path: Path, script: str) -> str:
    if path.is_file() and path.read_text("utf-8", "replace") == script:
        return f"{path} is there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, "utf-8")
    return f"Wrote {path}"


def _add_line(path: Path, line: str) -> str:
    lines = _lines(path)
    if line in (text.rstrip("\r\n") for text in lines):
        return f"{path} reads it already"
    _without_line(path)  # that of another folder
    lines = _lines(path)
    begin = "\n" if lines and not lines[-1].endswith("\n") else ""
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(f"{begin}{line}\n")
    return f"Added a line to {path}"


def _without_line(path: Path) -> bool:
    """Take lines with the mark out of a file; return whether there were any."""
    lines = _lines(path)
    kept = [line for line in lines if not line.rstrip().endswith(MARK)]
    if kept == lines:
        return False
    real = path.resolve()  # a link stays one
    new = real.with_name(f".{real.name}.seqlab")
    new.write_text("".join(kept), "utf-8", "surrogateescape", newline="")
    shutil.copymode(real, new)
    new.replace(real)
    return True


def _lines(path: Path) -> list[str]:
    """The lines of a file with their ends; none if there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.readlines()


@contextmanager
def _naming_the_file() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFailed(f"{error.filename}: {error.strerror or error}") from None
