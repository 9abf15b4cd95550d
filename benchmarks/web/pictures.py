"""Draw the pictures of the page in the docs: runs and playground, wide and narrow, light and dark.

python -m benchmarks.web.pictures [--epochs N] [--into DIR] [--root DIR]

Needs fonts with Chinese characters (apt install fonts-noto-cjk).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import seqlab
from benchmarks.web.server import Server, chromium

HERE = Path(__file__).resolve().parents[2]
PICTURES = HERE / "docs" / "pictures"
CELLS = ("rnn", "gru", "lstm")


def train(root: Path, epochs: int) -> None:
    """Train three cells on lyrics, and one of them with another learning rate."""
    for cell in CELLS:
        _train(root, epochs, {"cell": cell})
    _train(root, epochs // 2, {"cell": "gru", "optimizer.lr": 0.004})


def _train(root: Path, epochs: int, overrides: dict[str, Any]) -> None:
    seqlab.run(
        HERE / "experiments" / "jay_rnn.yaml",
        overrides={
            "corpus": {"name": "original_lyrics", "holdout": 0.1},
            "tokenizer": {"name": "characters", "unknown": "token"},
            "train.epochs": epochs,
            "train.threads": 1,
            "evaluation": {"every": "5 epochs"},
            "samples.every": 10,
            "optimizer.clip_norm": 1.0,
            **overrides,
        },
        root=root,
    )


def shoot(root: Path, into: Path) -> None:
    """Take the four pictures."""
    from playwright.sync_api import sync_playwright

    into.mkdir(parents=True, exist_ok=True)
    with Server(root) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for width, scheme, end in ((1600, "light", ""), (400, "dark", "-narrow")):
            page = _page(browser, server.url, width, scheme)
            _runs(page)
            page.screenshot(path=into / f"serve-runs{end}.png", full_page=True)
        for width, scheme, end in ((1600, "dark", ""), (400, "light", "-narrow")):
            page = _page(browser, server.url, width, scheme)
            _playground(page, beside=width > 1000)
            page.screenshot(path=into / f"serve-playground{end}.png", full_page=True)
        browser.close()


def _page(browser: Any, url: str, width: int, scheme: str) -> Any:
    size = {"width": width, "height": 900 if width > 1000 else 800}
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.goto(url)
    return page


def _runs(page: Any) -> None:
    from playwright.sync_api import expect

    expect(page.locator("tbody tr")).to_have_count(len(CELLS) + 1)
    for number in range(3):
        page.locator("tbody input").nth(number).check()
    expect(page.locator(".sample").first).to_be_visible()
    page.locator("#log").check()
    page.get_by_text("Configuration", exact=True).hover()
    page.wait_for_timeout(1500)
    page.evaluate(
        "document.querySelectorAll('.sample:nth-of-type(n+4)').forEach((e) => e.remove())"
    )


def _playground(page: Any, *, beside: bool) -> None:
    from playwright.sync_api import expect

    page.get_by_role("link", name="Playground").click()
    expect(page.locator("#decoder")).to_have_value("greedy", timeout=60_000)
    names = page.locator("#run-0 option").all_text_contents()
    gru = next(i for i, name in enumerate(names) if "lstm" in name)
    page.locator("#run-0").select_option(index=gru)
    if beside:
        rnn = next(i for i, name in enumerate(names) if "rnn" in name.replace("jay_rnn", ""))
        page.locator("#run-1").select_option(index=rnn + 1)
    page.locator("#decoder").select_option("sample")
    page.get_by_label("temperature", exact=True).fill("0.8")
    page.locator("#prefix").fill("夜里")
    page.locator("#seed").fill("3")
    page.get_by_role("button", name="Generate").click()
    panes = page.locator(".pane:visible")
    for place in range(panes.count()):
        expect(panes.nth(place).locator(".note")).to_contain_text("perplexity", timeout=60_000)
    panes.nth(0).locator(".token").nth(18).click()
    expect(panes.nth(0).locator(".candidates tr").nth(9)).to_be_visible(timeout=30_000)
    if beside:
        panes.nth(1).get_by_role("button", name="Hidden state").click()
        expect(panes.nth(1).locator(".map .main-svg").first).to_be_visible(timeout=30_000)
        panes.nth(1).locator(".unit").fill("7")
    page.locator("header").hover()
    page.wait_for_timeout(800)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web.pictures", description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--into", type=Path, default=PICTURES, metavar="DIR")
    parser.add_argument("--root", type=Path, metavar="DIR", help="runs that are there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.root or Path(folder) / "runs"
        if not root.exists():
            train(root, options.epochs)
        shoot(root, options.into)


if __name__ == "__main__":
    main()
