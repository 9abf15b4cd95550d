"""Types to annotate options (keyword-only parameters) with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(gt=0, le=2**20)]
"""A number of things, 1 or more."""

LargeCount = Annotated[int, Field(gt=0, le=2**40)]
"""A number of steps, tokens or characters, 1 or more."""

Layers = Annotated[int, Field(gt=0, le=1000)]
"""A number of layers, 1 or more."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A share of a whole, less than all of it."""
