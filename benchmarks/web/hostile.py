"""Two hundred hostile texts, names, tokens and requests: nothing runs, nothing outside is read."""

from __future__ import annotations

import json
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.web.made_runs import copy_run
from benchmarks.web.server import Server, chromium

SECRET = "a secret outside of the root"  # noqa: S105 # it is planted, to be looked for
PIECES = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "<a href='javascript:alert(1)'>here</a>",
    "<b>bold</b><br>",
    "</textarea></template><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "${alert(1)}",
    "%{x}<extra><img src=x onerror=alert(1)></extra>",
    "\u202egnp.exe",
    "\x1b[31mred\x1b]0;title\x07",
    "\0\r\nevent: table\ndata: {}\n\n",
    "event: table\ndata: {}",
    "__proto__",
    "constructor",
    "../../../etc/passwd",
    "分开\u2028\u2029分开",
    "\ud800",
    "9" * 400,
)
PATHS = (
    "/../secret.txt",
    "/static/../../secret.txt",
    "/static/..%2f..%2fsecret.txt",
    "/static/%2e%2e/%2e%2e/secret.txt",
    "//secret.txt",
    "/api/runs/..%2f..%2fsecret.txt/forms",
    "/api/difference?runs=../../secret",
    "/api/events?runs=../../secret.txt,/etc/passwd",
    "/api/events?since=9.9.9.9",
    "/api/events?runs=" + "a," * 5000,
    "http://evil.example/",
    "/\0",
    "/static/main.js%00.css",
    "/" + "a" * 70_000,
)


def names(drawn: random.Random, count: int) -> Iterator[str]:
    """Yield texts that a page might take for something else."""
    for number in range(count):
        pieces = drawn.sample(PIECES, k=drawn.randint(1, 3))
        yield f"{number} {''.join(pieces)}"


def hostile_run(first: Path, root: Path, text: str, number: int) -> None:
    """A run in whose files a text stands wherever one can; its log and samples lead outside."""
    folder = root / f"name_{number}" / "here"
    copy_run(first, folder, number, 6)
    description = json.loads((folder / "run.json").read_text("utf-8"))
    description |= {"name": text, "started": text, "doubt": text, "ended_because": text}
    description["corpus"] |= {"name": text, "asked_for": text}
    description["settings"] |= {text: {text: text}, "decoder": {"name": text}}
    (folder / "run.json").write_text(json.dumps(description), "utf-8")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    changed = [row | {"split": text, text: 1.0} for row in rows]
    lines = "".join(json.dumps(row) + "\n" for row in changed)
    (folder / "metrics.jsonl").write_text(lines, "utf-8")
    sample = {"step": 1, "epoch": 1, "prefix": text, "text": text}
    (folder / "samples.jsonl").write_text(json.dumps(sample) + "\n", "utf-8")
    (folder / "log.txt").write_bytes(text.encode("utf-8", "surrogatepass") + b"\n")
    if number % 4 == 0:
        leading = folder / ("log.txt", "samples.jsonl", "metrics.jsonl", "notes.json")[number % 3]
        leading.unlink(missing_ok=True)
        leading.symlink_to(root.parent / "secret.txt")


def requests(drawn: random.Random, port: int, token: str, count: int) -> Iterator[bytes]:
    """Yield requests: other hosts and origins, paths, bodies, broken HTTP."""
    hosts = [f"127.0.0.1:{port}", "evil.example", f"127.0.0.1:{port}.evil.example", "", "\t"]
    origins = ["", "http://evil.example", "null", f"http://127.0.0.1:{port}"]
    bodies = ["", "{", "[]", "null", '{"run": "../../secret.txt"}', "[" * 50_000, "\0" * 99]
    kinds = ["application/json", "text/plain", "application/json\r\nX: y"]
    for number in range(count):
        is_post = number % 2
        path = (
            drawn.choice(PATHS)
            if not is_post
            else "/api/play/"
            + drawn.choice(
                ["generate", "score", "hidden", "candidates", "_do", "..%2f..", "__class__"]
            )
        )
        lines = [f"{'POST' if is_post else 'GET'} {path} HTTP/1.1", f"Host: {drawn.choice(hosts)}"]
        if drawn.random() < 0.7:
            lines.append(f"Authorization: Bearer {drawn.choice([token, token, 'wrong', ''])}")
        if origin := drawn.choice(origins):
            lines.append(f"Origin: {origin}")
        body = drawn.choice(bodies) if is_post else ""
        length = len(body) if drawn.random() < 0.8 else drawn.choice([-1, 10**12])
        lines += [f"Content-Type: {drawn.choice(kinds)}", f"Content-Length: {length}"]
        yield ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1", "replace")


def measure(first: Path, into: Path, count: int, seed: int = 0) -> dict[str, Any]:
    """Make runs of half of the inputs and requests of the others; look at all of them.

    Returns:
        `inputs`; `complaints`, what the console of the browser told: dialogs, refused scripts,
        errors; `leaked`, answers in which the secret stands; `alive`, whether the server answers.
    """
    drawn = random.Random(seed)  # noqa: S311 # what is tried
    root = into / "hostile"
    shutil.rmtree(root, ignore_errors=True)
    (into / "secret.txt").write_text(f'{{"format": 1, "note": "{SECRET}", "tags": []}}\n' * 2)
    for number, text in enumerate(names(drawn, count // 2)):
        hostile_run(first, root, text, number)
    with Server(root) as server:
        tried = list(requests(drawn, server.port, server.token, count - count // 2))
        answers = [_answer(server.port, request) for request in tried]
        complaints, seen = _look(server, count // 2)
        alive = b"200 OK" in _answer(
            server.port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
        )
    leaked = sum(SECRET.encode() in answer for answer in answers) + seen.count(SECRET)
    return {
        "inputs": count,
        "complaints": complaints,
        "leaked": leaked,
        "alive": alive,
        "refused": sum(not answer.startswith(b"HTTP/1.1 200") for answer in answers),
    }


def _answer(port: int, request: bytes) -> bytes:
    """The first bytes of an answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(request)
        data = b""
        try:
            while len(data) < 1 << 16 and (part := connection.recv(1 << 14)):
                data += part
        except (TimeoutError, ConnectionError):
            pass
        return data


def _look(server: Server, count: int) -> tuple[list[str], str]:
    """Show every run in a browser; return what its console complained of, and all that it shows."""
    from playwright.sync_api import expect, sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(server.url)
        ticks = page.locator("tbody input")
        expect(ticks).to_have_count(count, timeout=30_000)
        seen = []
        for number in range(count):
            ticks.nth(number).check()
            if number % 10 == 9:
                page.locator("#log").check()
                page.locator("#chart").hover()
                page.wait_for_timeout(500)
                seen.append(page.evaluate("document.body.innerText"))
                page.locator("#none").click()
        assert page.locator("img, main script, main svg a").count() == 0
        browser.close()
    return complaints, "".join(seen)
