"""Types of options that many components have: annotate a keyword-only parameter with one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(gt=0, le=2**20)]
"""How many: 1 and more."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A part of the whole, less than all of it."""
