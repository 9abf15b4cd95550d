"""Types to annotate options (keyword-only parameters) with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(gt=0, le=2**20)]
"""A number of things, 1 or more."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A share of a whole, less than all of it."""
