"""Values -> JSON and events, as a browser reads them."""

from __future__ import annotations

import math
from typing import Any

from seqlab.printable import json_text


def as_json(value: Any) -> bytes:
    """Return JSON in UTF-8: a number that JSON lacks is null, half a character an escape."""
    try:
        text = json_text(value, allow_nan=False)
    except ValueError:
        text = json_text(_finite(value))
    return text.encode()


def event(name: str, value: Any) -> bytes:
    """Return one server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), as_json(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
