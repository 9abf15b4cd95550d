"""A hub of one dataset, `me/words`, at one commit: what its library asks for, and no more."""

from __future__ import annotations

import hashlib
import json

from tests.plugins.file_server import FileServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = ("one", "two", "three")
_CARD = b"---\nlicense: cc0-1.0\n---\n"
_DATA = "".join(f"{json.dumps({'text': row})}\n" for row in ROWS).encode()


CONFIGS = b"""---
configs:
- {config_name: small, data_files: train.jsonl}
- {config_name: large, data_files: train.jsonl}
---
"""


def as_hub(server: FileServer, card: bytes = _CARD) -> None:
    """Let a server answer as the hub does, with a card of the dataset."""
    files = {"README.md": card, "train.jsonl": _DATA}
    about = {"id": "me/words", "sha": COMMIT, "private": False, "tags": []}
    about |= {"downloads": 0, "likes": 0, "siblings": [{"rfilename": name} for name in files]}
    tree = [
        {"type": "file", "oid": _object(content), "size": len(content), "path": name}
        for name, content in files.items()
    ]
    at = f"/api/datasets/me/words/{{}}/{COMMIT}"
    server.files = {
        at.format("revision"): json.dumps(about).encode(),
        at.format("tree"): json.dumps(tree).encode(),
        **{f"/datasets/me/words/resolve/{COMMIT}/{name}": data for name, data in files.items()},
    }
    server.headers = lambda data: {"ETag": f'"{_object(data)}"', "X-Repo-Commit": COMMIT}
    server.missing = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}


def _object(content: bytes) -> str:
    """The name that Git gives to a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324
