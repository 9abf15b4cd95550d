"""A hundred browsers that look at one run, which writes a row a second: the server's time."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.web.server import Server
from seqlab.web.run_index import RunIndex


def measure(root: Path, streams: int, seconds: int) -> dict[str, Any]:
    """Open streams of events, all with the run that was made first, and count what they are told.

    Returns:
        `cpu_percent` of one core that the server takes, the same without a row (`idle_percent`),
        and `rows_told`, of `streams` times `seconds`.
    """
    index = RunIndex(root)
    index.refresh()
    run = min(index.ids, key=lambda one: str(index.folder(one).path))  # type: ignore[union-attr]
    folder = index.folder(run)
    assert folder is not None
    with Server(root) as server:
        told = asyncio.run(_look(server, run, folder.metrics, streams, seconds))
    return {"streams": streams, "seconds": seconds, **told}


async def _look(server: Server, run: str, file: Path, streams: int, seconds: int) -> dict[str, Any]:
    counts = [0] * streams
    tasks = [asyncio.create_task(_listen(server, run, counts, i)) for i in range(streams)]
    await asyncio.sleep(3)
    process = server.pid
    idle = await _share(process, seconds / 3)
    like = json.loads(file.read_text("utf-8").splitlines()[-1])
    begun, before = time.monotonic(), _cpu(process)
    told = sum(counts)
    for number in range(seconds):
        like["step"] += 10
        with file.open("a") as rows:
            rows.write(json.dumps(like) + "\n")
        await asyncio.sleep(max(begun + number + 1 - time.monotonic(), 0))
    share = (_cpu(process) - before) / (time.monotonic() - begun)
    await asyncio.sleep(0.6)
    for task in tasks:
        task.cancel()
    return {
        "cpu_percent": round(100 * share, 2),
        "idle_percent": round(100 * idle, 2),
        "rows_told": sum(counts) - told,
    }


async def _share(process: int, seconds: float) -> float:
    begun, before = time.monotonic(), _cpu(process)
    await asyncio.sleep(seconds)
    return float((_cpu(process) - before) / (time.monotonic() - begun))


def _cpu(process: int) -> float:
    """Seconds of a processor that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _listen(server: Server, run: str, counts: list[int], place: int) -> None:
    """Read one stream, and count the events with rows."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 26)
    request = (
        f"GET /api/events?runs={run} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n"
    )
    writer.write(request.encode())
    while line := await reader.readline():
        counts[place] += line.startswith(b"event: rows")
