"""Types of arguments that are paths, or URLs of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import completing
from seqlab.urls import is_url

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class PathType(click.ParamType[Path]):
    """A path that is not empty."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not value:
            self.fail("is empty; give a path (the working folder is .)", param, ctx)
        return Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return completing.files(ctx, param, incomplete)


class FileType(click.ParamType[Path | str]):
    """A path, or the URL of a file elsewhere."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        return value if is_url(str(value)) else PATH.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return PATH.shell_complete(ctx, param, incomplete)


PATH = PathType()
FILE = FileType()
