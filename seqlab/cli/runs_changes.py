"""`seqlab runs rm`, `tag` and `note`: what changes runs without training."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import completing
from seqlab.cli.options import root_option
from seqlab.cli.streams import is_terminal
from seqlab.errors import UsageError
from seqlab.printable import one_line, shown_path

if TYPE_CHECKING:
    from seqlab.runs.folder import RunFolder
    from seqlab.runs.removing import Removal

log = logging.getLogger(__name__)


@click.command("rm")
@click.argument("runs", nargs=-1, required=True, metavar="RUN…", shell_complete=completing.runs)
@click.option("--yes", is_flag=True, help="Do not ask.")
@root_option
def rm(runs: tuple[str, ...], yes: bool, root: Path) -> None:
    """Remove runs, after a question.

    A name is its latest run alone. A run that is in use, or whose folder holds something that
    seqlab did not put there, is refused, and then none is removed.
    """
    from seqlab.runs.lookup import find_runs
    from seqlab.runs.removing import plan_removal, remove, used_by

    folders = find_runs(runs, root)
    removals = [plan_removal(folder) for folder in folders]
    for folder, users in used_by(folders, root).items():
        names = ", ".join(shown_path(user.path) for user in users)
        log.warning("%s: other runs start from it or use it: %s", shown_path(folder.path), names)
    if not (yes or _confirmed(removals)):
        log.info("No run is removed")
        return
    for removal in removals:
        remove(removal, root)
        log.info("Removed %s", shown_path(removal.folder.path))


def _confirmed(removals: Sequence[Removal]) -> bool:
    """Ask whether to go on; raise UsageError where nobody can answer."""
    size = sum(removal.size for removal in removals) / 1e6
    names = ", ".join(shown_path(removal.folder.path) for removal in removals[:10])
    more = f" and {len(removals) - 10} more" if len(removals) > 10 else ""
    what = f"{len(removals)} run{'s' if len(removals) > 1 else ''} ({size:.1f} MB): {names}{more}"
    if not is_terminal(sys.stdin):
        raise UsageError(f"to remove {what}, say --yes (there is no terminal to ask on)")
    return click.confirm(one_line(f"Remove {what}?"), err=True)


@click.command("tag")
@click.argument("run", metavar="RUN", shell_complete=completing.runs)
@click.argument("tags", nargs=-1, required=True, metavar="TAG…")
@click.option("--remove", is_flag=True, help="Take the tags away.")
@root_option
def tag(run: str, tags: tuple[str, ...], remove: bool, root: Path) -> None:
    """Give a run tags: words to find it by. A glob as RUN tags several.

    A tag is letters, digits, '-', '_' and '.'.
    """
    from seqlab.runs.lookup import find_runs
    from seqlab.runs.notes import add_tags, check_tag, remove_tags

    for word in tags:
        check_tag(word)
    for folder in _intact(find_runs([run], root)):
        notes = remove_tags(folder, tags) if remove else add_tags(folder, tags)
        log.info("%s: tags: %s", shown_path(folder.path), ", ".join(notes.tags) or "none")


@click.command("note")
@click.argument("run", metavar="RUN", shell_complete=completing.runs)
@click.argument("text", metavar="TEXT")
@root_option
def note(run: str, text: str, root: Path) -> None:
    """Write a note to a run, in place of the one it has; an empty TEXT takes it away."""
    from seqlab.runs.lookup import find_run
    from seqlab.runs.notes import set_note

    (folder,) = _intact([find_run(run, root)])
    set_note(folder, text)
    log.info("%s: its note is %s", shown_path(folder.path), "written" if text else "removed")


def _intact(folders: Sequence[RunFolder]) -> Sequence[RunFolder]:
    """Check that nothing in run folders is a link; raise SeqlabError if anything is."""
    for folder in folders:
        folder.check_kinds()
    return folders
