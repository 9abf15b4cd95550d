"""A page with a thousand runs: how soon the table is there, what it holds, when a row is seen."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.web.server import Server, chromium

APPENDED = 20  # rows whose way to the browser is timed
LAST = """Math.max(0, ...(document.getElementById('chart').data ?? [])
    .map((one) => one.x.at(-1) ?? 0))"""


def measure(root: Path, minutes: float) -> dict[str, Any]:
    """Look at all runs under a root for some minutes, while one of them goes on.

    Returns:
        `table_seconds` until the last of all rows is in the page, `curve_seconds` until a curve of
        2,000 rows is drawn after its tick, `row_seconds` from the writing of a row until its point
        is in the chart (median and the most), and memory in MiB at the beginning and at the end.
    """
    from playwright.sync_api import expect, sync_playwright

    count = len(list(root.glob("*/*/run.json")))
    with Server(root) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        begun = time.perf_counter()
        page.goto(server.url)
        expect(page.locator("tbody tr")).to_have_count(count, timeout=60_000)
        table = time.perf_counter() - begun
        page.locator("#filter").fill("killed")
        begun = time.perf_counter()
        page.locator("tbody input").first.check()
        _wait(page, lambda last: last > 0)
        curve = time.perf_counter() - begun
        run = _ticked(root, page)
        waits = list(_waits(page, run))
        memory = [_memory(server.pid)]
        heap = [_heap(page)]
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            list(_waits(page, run, 5))
            memory.append(_memory(server.pid))
            heap.append(_heap(page))
            time.sleep(min(5, max(until - time.monotonic(), 0)))
        browser.close()
    return {
        "runs": count,
        "table_seconds": round(table, 2),
        "curve_seconds": round(curve, 2),
        "row_seconds": {"median": round(statistics.median(waits), 2), "most": round(max(waits), 2)},
        "minutes": minutes,
        "server_mib": _ends(memory),
        "page_mib": _ends(heap),
    }


def _ends(values: list[float]) -> dict[str, float]:
    """After the first minute or so, and at the end."""
    settled = values[min(len(values) - 1, max(1, len(values) // 10))]
    return {"begin": round(settled, 1), "end": round(values[-1], 1), "most": round(max(values), 1)}


def _ticked(root: Path, page: Any) -> Path:
    title = page.locator("tbody tr:has(input:checked) td.name").first.get_attribute("title")
    return next(root.glob(f"*/{title.splitlines()[0]}"))


def _waits(page: Any, run: Path, count: int = APPENDED) -> Iterator[float]:
    """Append rows, and yield how long each takes to be seen."""
    file = run / "metrics.jsonl"
    like = json.loads(file.read_text("utf-8").splitlines()[-1])
    for _ in range(count):
        like["step"] += 10
        with file.open("a") as rows:
            rows.write(json.dumps(like) + "\n")
        begun = time.perf_counter()
        _wait(page, lambda last: last >= like["step"])
        yield time.perf_counter() - begun
        time.sleep(0.1)


def _wait(page: Any, is_there: Callable[[int], bool]) -> None:
    until = time.monotonic() + 30
    while not is_there(page.evaluate(LAST)):
        if time.monotonic() > until:
            raise TimeoutError("a row is not seen after 30 s")
        page.wait_for_timeout(10)


def _memory(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _heap(page: Any) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 2**20
