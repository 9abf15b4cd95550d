"""Types to annotate options (keyword-only parameters) with.

Pydantic reads them; they are made without it, since importing it takes a third of the time in which
a command should answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

from seqlab import urls


@dataclass(frozen=True)
class Check:
    """Calls a function on a valid value; what it returns takes its place, ValueError refuses it."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        function = {"type": "no-info", "function": self.function}
        return {"type": "function-after", "function": function, "schema": handler(source)}


@dataclass(frozen=True)
class Finite:
    """Refuses infinities and NaN."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return handler(source) | {"allow_inf_nan": False}


@dataclass(frozen=True)
class Url:
    """Refuses a text that is no URL, or that has a password in it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        function = {"type": "no-info", "function": urls.url_of_file}
        return {"type": "function-after", "function": function, "schema": {"type": "str"}}

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], Any]) -> Any:
        return {"type": "string", "format": "uri", "pattern": urls.PATTERN}


@dataclass(frozen=True)
class Limit:
    """Bounds of a number, in words of one's own: what follows "should be" where it is refused."""

    words: str
    gt: float | None = None
    ge: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        bounds = {
            key: value for key, value in (("gt", self.gt), ("ge", self.ge)) if value is not None
        }
        refusing = {
            "type": "custom-error",
            "schema": {"type": "float", **bounds},
            "custom_error_type": "limit",
            "custom_error_message": f"Input should be {self.words}",
        }
        return {"type": "chain", "steps": [handler(source), refusing]}


Count = Annotated[int, Gt(0), Le(2**20)]
"""A number of things, 1 or more."""

LargeCount = Annotated[int, Gt(0), Le(2**40)]
"""A number of steps, tokens or characters, 1 or more."""

Layers = Annotated[int, Gt(0), Le(1000)]
"""A number of layers, 1 or more."""

Share = Annotated[float, Ge(0), Lt(1)]
"""A share of a whole, less than all of it."""

File = Annotated[Path, Check(urls.path_of_file)] | Annotated[str, Url()]
"""A path, or a text that is the URL of a file elsewhere, such as https://… or s3://….

A URL with a password or a token is refused.
"""

LocalFolder = Annotated[Path, Check(urls.path_of_folder)]
"""The path of a folder; a URL is refused."""
