"""Measure the pages of a built documentation in a browser, as narrow as a telephone.

python docs/check_width.py HTML [--width 400]

Exits with 1 and names each page that is wider than the window, which cuts it off.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MEASURE = """<!doctype html><pre id="widths"></pre><script>
const pages = PAGES, widths = {};
const frame = document.body.appendChild(document.createElement('iframe'));
frame.width = WIDTH; frame.height = 800; frame.style.border = '0';
function next() {
  const page = pages.shift();
  if (!page) { document.getElementById('widths').textContent = JSON.stringify(widths); return; }
  frame.onload = () => {
    widths[page] = frame.contentDocument.documentElement.scrollWidth;
    next();
  };
  frame.src = page;
}
next();
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the pages, and one that measures them all."""

    measure: bytes

    def do_GET(self) -> None:
        if self.path != "/measure":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.measure)
        return None

    def log_message(self, *_: object) -> None:
        pass


def widths(html: Path, width: int, browser: str) -> dict[str, int]:
    """The width of each page in a window of so many pixels."""
    pages = sorted(str(path.relative_to(html)) for path in html.rglob("*.html"))
    content = MEASURE.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(width))
    handler = type("Pages", (Quiet,), {"measure": content.encode()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        return _measured(browser, f"http://127.0.0.1:{server.server_port}/measure")
    finally:
        server.shutdown()


def _measured(browser: str, url: str) -> dict[str, int]:
    with TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += [f"--user-data-dir={profile}", "--virtual-time-budget=120000", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    text = re.search(r'<pre id="widths">(.*?)</pre>', done.stdout, re.DOTALL)
    if text is None or not text[1]:
        raise SystemExit(f"{browser} measured nothing: {done.stderr[-500:]}")
    found: dict[str, int] = json.loads(unescape(text[1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("html", type=Path)
    parser.add_argument("--width", type=int, default=400)
    options = parser.parse_args()
    browser = next(filter(None, map(which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser: needs one of {', '.join(BROWSERS)}")
    measured = widths(options.html.resolve(), options.width, browser)
    wide = {page: width for page, width in measured.items() if width > options.width}
    for page, width in wide.items():
        print(f"{page}: is {width} pixels wide in a window of {options.width}")
    print(f"{len(measured) - len(wide)} of {len(measured)} pages fit into {options.width} pixels")
    sys.exit(bool(wide))


if __name__ == "__main__":
    main()
