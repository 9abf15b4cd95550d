"""What a component may have and need not."""

from __future__ import annotations

from typing import Any


def offered(component: object, name: str) -> Any:
    """Return an optional method or attribute of a component; None: it has none."""
    return getattr(component, name, None)
