"""A repository of a model hub."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints

import seqlab

FOLDER = seqlab.component("folder")
Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*$")]


class Hub:
    """A repository of a model hub, to which the files of another exporter are pushed.

    It prints the address, such as hf://me/model@COMMIT, by which `seqlab.open_run` and every command
    read the run. The hub is $HF_ENDPOINT, or huggingface.co; the token that of $HF_TOKEN or of
    `hf auth login`, never an option. Needs the extra: pip install 'seqlab[hub]'.

    Args:
        repo: Required. The repository, OWNER/NAME, which is made if there is none.
        inner: the exporter whose files are pushed.
        private: make a new repository one that others cannot read.
        branch: the branch that gets the files, which is made if there is none.
    """

    keeps_files = False

    def __init__(
        self,
        *,
        repo: Repository,
        inner: seqlab.ExporterFactory = FOLDER,
        private: bool = False,
        branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w./-]*$")] = "main",
    ) -> None:
        if find_spec("huggingface_hub") is None:
            raise ValueError("exporter 'hub' needs a package: pip install 'seqlab[hub]'")
        self._inner = inner()
        if getattr(self._inner, "keeps_files", True) is False:
            raise ValueError("inner: sends a model elsewhere; it should write files, as `folder`")
        self._repo, self._private, self._branch = repo, private, branch

    def export(self, run: seqlab.TrainedRun, folder: Path) -> str:
        self._inner.export(run, folder)
        from huggingface_hub import HfApi, get_token

        if get_token() is None:
            raise ValueError("there is no token: set HF_TOKEN, or log in with `hf auth login`")
        with _telling(self._repo):
            api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="seqlab")
            commit = self._push(api, folder, f"{run.name}, step {run.step:,}")
        return f"hf://{self._repo}@{commit}"

    def _push(self, api: Any, folder: Path, message: str) -> str:
        """Push files in one commit, in which a checkpoint that was there before is replaced."""
        api.create_repo(self._repo, private=self._private, exist_ok=True)
        if self._branch != "main":
            api.create_branch(self._repo, branch=self._branch, exist_ok=True)
        commit = api.upload_folder(
            repo_id=self._repo,
            folder_path=folder,
            revision=self._branch,
            commit_message=message,
            delete_patterns=["checkpoints/step-*"],
        )
        return str(commit.oid)


@contextmanager
def _telling(repo: str) -> Iterator[None]:
    """Say in one line what is wrong, and nothing about the library."""
    from huggingface_hub.utils import are_progress_bars_disabled as disabled
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    logger, quiet_before = logging.getLogger("huggingface_hub"), disabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    except Exception as error:  # of HTTP, of files, or of the library, in versions of its own
        raise seqlab.RunFailed(f"exporter 'hub' cannot send it: {_reason(error, repo)}") from error
    finally:
        logger.setLevel(level)
        if not quiet_before:
            enable_progress_bars()


def _reason(error: Exception, repo: str) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the token may not write to {repo}"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@seqlab.hookimpl
def seqlab_register_exporters() -> dict[str, type[seqlab.Exporter]]:
    return {"hub": Hub}
