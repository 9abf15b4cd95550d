"""A run of Weights & Biases that has the rows of a run of seqlab, each once."""

from __future__ import annotations

import hashlib
import netrc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seqlab.records import RunStarted
from seqlab_wandb.rows import Row, flat, numbers

SECONDS = 30.0  # to wait for W&B at the start
REPLACED = "replaced-"
EXIT_CODES = {"finished": 0, "stopped": 0, "interrupted": 255}  # 255: W&B says "killed"


def mode() -> str:
    """Return WANDB_MODE, or where that is not set, whether there is a key to be online with."""
    return os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")


class TrackedRun:
    """Opens the run of W&B that belongs to a run.

    W&B counts the rows that it has from the start, and takes none back. Online, a resumed run goes
    on behind those that W&B has. If these are more than the run has, because it went back to an
    earlier checkpoint or was made longer, a new run of W&B takes the place of the old one.

    Offline nobody can say what was kept: W&B writes in blocks, and a process that is killed loses
    the last one. So a resumed run writes all of its rows anew, and what was written before is set
    aside: its folder gets a name that `wandb sync wandb/offline-run-*` does not find.

    Args:
        started: the run.
        rows: how many rows it has until now, and may have been sent.
        mode: as WANDB_MODE.
        project: of W&B; None: WANDB_PROJECT, or the name of the run.
        entity: of W&B; None: WANDB_ENTITY, or whose key it is.
    """

    def __init__(
        self,
        started: RunStarted,
        rows: int,
        mode: str,
        *,
        project: str | None,
        entity: str | None,
    ) -> None:
        self._started = started
        self._folder = Path(started.folder).absolute()
        self._mode = mode
        self._place = {
            "project": project or os.environ.get("WANDB_PROJECT") or started.name,
            "entity": entity,
        }
        if mode != "online":
            _set_aside(self._folder / "wandb")
        self._run = self._open(self._id())
        while self._run.step > rows:
            self._run.finish(quiet=True)
            self._run = self._open(self._next_id())
        self.kept: int = self._run.step
        self._next = self.kept
        self._run.config.update(dict(flat(started.settings)), allow_val_change=True)
        self._run.define_metric("*", step_metric="step")

    def log(self, rows: Sequence[Row]) -> None:
        """Send rows; the step of W&B is the number of a row, from 0."""
        for row in rows:
            self._run.log(numbers(row), step=self._next, commit=True)
            self._next += 1

    def end(self, status: str) -> None:
        """Say how the run ended, and wait until everything is sent or written."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=EXIT_CODES.get(status, 1))
        end_service()

    def _open(self, run_id: str) -> Any:
        os.environ.setdefault("WANDB_DISABLE_GIT", "true")  # or it would start git
        import wandb

        settings = wandb.Settings(
            console="off", init_timeout=SECONDS, save_code=False, silent=True, symlink=False
        )
        with _hooks_left_alone():
            return wandb.init(
                **self._place,
                id=run_id,
                name=self._started.name,
                dir=str(self._folder),
                mode=self._mode,
                resume="allow" if self._mode == "online" else None,
                reinit="create_new",
                settings=settings,
            )

    def _id(self) -> str:
        """The id of the run at W&B: its own, or the latest that took its place."""
        own = self._started.id or hashlib.sha256(bytes(self._folder)).hexdigest()[:16]
        return self._kept_id.read_text("utf-8").strip() if self._kept_id.is_file() else own

    def _next_id(self) -> str:
        """Another id, kept in a file before it is used."""
        own, _, number = self._id().partition("-")
        self._kept_id.parent.mkdir(exist_ok=True)
        self._kept_id.write_text(f"{own}-{int(number or 1) + 1}\n", "utf-8")
        return self._id()

    @property
    def _kept_id(self) -> Path:
        return self._folder / "wandb" / "seqlab-id.txt"


def end_service() -> None:
    """End the process of W&B, which would keep the id of a run that could not be opened."""
    import wandb

    if wandb.run is None:  # nobody else of this process has a run
        wandb.teardown()


@contextmanager
def _hooks_left_alone() -> Iterator[None]:
    """Undo what W&B does to learn how a process ends; a run tells its observers."""
    hook, leave = sys.excepthook, sys.exit
    try:
        yield
    finally:
        sys.excepthook, sys.exit = hook, leave


def _set_aside(folder: Path) -> None:
    for path in sorted(folder.glob("offline-run-*")):
        path.rename(path.with_name(f"{REPLACED}{path.name}"))


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False
