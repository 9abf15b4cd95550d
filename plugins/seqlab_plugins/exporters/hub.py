"""A repository of a model hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints

import seqlab
from seqlab.hub_client import LOG_IN, NEEDED, hub_client, in_one_line, quiet_client, status_of

FOLDER = seqlab.component("folder")
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


class Hub:
    """A repository of a model hub, to which the files of another exporter are pushed.

    It prints the address, such as hf://me/model@COMMIT, which every command takes as a run. The
    hub is $HF_ENDPOINT, or huggingface.co; the token that of $HF_TOKEN or of `hf auth login`, never
    an option. Needs the extra: pip install 'seqlab[hub]'.

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
        repo: str,
        inner: seqlab.ExporterFactory = FOLDER,
        private: bool = False,
        branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w./-]*$")] = "main",
    ) -> None:
        if find_spec("huggingface_hub") is None:
            raise ValueError(f"exporter 'hub' {NEEDED}")
        if not REPOSITORY.fullmatch(repo):
            raise ValueError(f"repo: should be OWNER/NAME, such as me/model; it is {repo!r}")
        self._inner = inner()
        if getattr(self._inner, "keeps_files", True) is False:
            raise ValueError("inner: sends a model elsewhere; it should write files, as `folder`")
        self._repo, self._private, self._branch = repo, private, branch

    def export(self, run: seqlab.TrainedRun, folder: Path) -> str:
        self._inner.export(run, folder)
        from huggingface_hub import get_token

        if get_token() is None:
            raise ValueError(f"there is no token: {LOG_IN}")
        with _telling(self._repo):
            commit = self._push(hub_client(), folder, f"{run.name}, step {run.step:,}")
        return f"hf://{self._repo}@{commit}"

    def _push(self, client: Any, folder: Path, message: str) -> str:
        """Push files in one commit, in which a checkpoint that was there before is replaced."""
        client.create_repo(self._repo, private=self._private, exist_ok=True)
        if self._branch != "main":
            client.create_branch(self._repo, branch=self._branch, exist_ok=True)
        commit = client.upload_folder(
            repo_id=self._repo,
            folder_path=folder,
            revision=self._branch,
            commit_message=message,
            delete_patterns=["checkpoints/step-*"],
        )
        return str(commit.oid)


@contextmanager
def _telling(repo: str) -> Iterator[None]:
    """Say in one line what is wrong."""
    try:
        with quiet_client():
            yield
    except Exception as error:  # of HTTP, of files, or of the library, in versions of its own
        refused = status_of(error) in (401, 403)
        reason = f"the token may not write to {repo}" if refused else in_one_line(error)
        raise seqlab.RunFailed(f"exporter 'hub' cannot send it: {reason}") from error


@seqlab.hookimpl
def seqlab_register_exporters() -> dict[str, type[seqlab.Exporter]]:
    return {"hub": Hub}
