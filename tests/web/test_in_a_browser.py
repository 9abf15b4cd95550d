"""The page as a browser shows it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

import seqlab
from tests.web.test_live import append, row

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = api.expect
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


class Ranked:
    """Of the likeliest tokens always the same one.

    Args:
        rank: which one, from 0.
        way: no difference.
    """

    def __init__(self, *, rank: Annotated[int, Field(ge=0, le=9)] = 1, way: str = "none") -> None:
        self._rank = rank

    def choose(self, logits, history, uniform):
        return logits.topk(self._rank + 1).indices[:, self._rank]


class Patient:
    """The likeliest token, after a wait: 2,000 tokens take half a minute on any machine."""

    def choose(self, logits, history, uniform):
        time.sleep(0.015)
        return logits.argmax(1)


def points(page) -> list:
    """The places of the first curve."""
    return page.evaluate("document.getElementById('chart').data?.[0]?.x ?? []")


def wait_for_points(page, expected: list) -> None:
    for _ in range(400):
        if points(page) == expected:
            return
        page.wait_for_timeout(50)
    assert points(page) == expected


@pytest.fixture
def running(make_run) -> Path:
    run = make_run("runs/tiny/here", status="running", total_steps=100).absolute()
    (run / "metrics.jsonl").write_text("".join(map(row, (1, 2, 3))), "utf-8")
    return run


def test_the_token_is_taken_off_the_address(serve, look):
    page = look(serve())
    expect(page.locator("#state")).to_contain_text("live")
    assert "token" not in page.url
    page.reload()
    expect(page.locator("#state")).to_contain_text("live")


def test_without_a_token_the_page_says_what_to_do(serve, chromium):
    site = serve()
    page = chromium.new_page()
    page.goto(f"http://{site.host}/")
    expect(page.locator("#state")).to_contain_text("open the address that seqlab serve printed")
    page.close()


def test_rows_samples_and_log_come_while_one_looks(serve, look, running):
    page = look(serve())
    page.locator("tbody input").check()
    wait_for_points(page, [1, 2, 3])
    append(running, row(4))
    wait_for_points(page, [1, 2, 3, 4])
    expect(page.locator("td.progress")).to_contain_text("4")
    sample = {"step": 4, "epoch": 1, "prefix": "the", "text": "the end of it"}
    with (running / "samples.jsonl").open("a") as file:
        file.write(json.dumps(sample) + "\n")
    expect(page.locator(".sample").first).to_contain_text("the end of it")
    page.get_by_text("Log", exact=True).click()
    with (running / "log.txt").open("a") as file:
        file.write("something happened\n")
    expect(page.locator("#logs")).to_contain_text("something happened")


def test_a_kill_and_resume_leaves_no_doubled_point(serve, look, running):
    page = look(serve())
    page.locator("tbody input").check()
    wait_for_points(page, [1, 2, 3])
    with (running / "metrics.jsonl").open("r+") as file:
        file.truncate(len(row(1)))
        file.seek(0, os.SEEK_END)
        file.write(row(2, loss=1.5) + row(3) + row(4))
    wait_for_points(page, [1, 2, 3, 4])


def test_runs_are_filtered_sorted_and_shown_together(serve, look, make_run):
    make_run("runs/one/here", {"optimizer.lr": 0.1}, losses=[2.0])
    make_run("runs/two/here", {"optimizer.lr": 0.2}, losses=[1.0])
    page = look(serve())
    names = page.locator("tbody td.name")
    expect(names).to_have_count(2)
    page.get_by_role("button", name="best").click()
    expect(names).to_have_text(["two", "one"])
    page.get_by_role("button", name="best").click()
    expect(names).to_have_text(["one", "two"])
    page.locator("tbody input").nth(0).check()
    page.locator("tbody input").nth(1).check()
    expect(page.locator("#difference")).to_contain_text("optimizer.lr")
    expect(page.locator("#legend h2")).to_have_count(2)
    page.locator("#filter").fill("tw")
    expect(names).to_have_text(["two"])
    expect(page.locator("#count")).to_have_text("1 of 2 runs")


def test_a_run_that_is_removed_goes_from_the_page(serve, look, make_run):
    make_run("runs/one/here")
    make_run("runs/two/here")
    page = look(serve())
    expect(page.locator("tbody tr")).to_have_count(2)
    shutil.rmtree("runs/one")
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.fixture
def playground(serve, look, make_run):
    make_run("runs/tiny/here")
    strange = {"decoders": {"ranked": Ranked, "patient": Patient}}
    page = look(serve(own=seqlab.load_plugins(local=False, given=[strange])))
    page.get_by_role("link", name="Playground").click()
    expect(page.locator("#decoder")).to_have_value("sample")
    page.locator("#prefix").fill("the quick")
    return page


def test_a_model_writes_and_a_click_shows_what_else_might_be(playground):
    page = playground
    page.locator("#decoder").select_option("ranked")
    page.get_by_label("rank", exact=True).fill("2")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".note").nth(1)).to_contain_text("100 tokens")
    (expected,) = seqlab.open_run(
        "runs/tiny/here",
        plugins=[{"decoders": {"ranked": Ranked}}],
    ).generate("the quick", length=100, decoder="ranked", rank=2)
    assert page.locator(".text").first.text_content() == expected.text
    page.locator(".token").nth(12).click()
    lines = page.locator(".candidates tbody tr")
    expect(lines).to_have_count(10)
    expect(lines.nth(2)).to_have_class("chosen")
    expect(lines.nth(2)).to_contain_text("100.00 %")


def test_a_text_is_scored_and_coloured_by_a_unit(playground):
    page = playground
    page.get_by_role("button", name="Score the text").click()
    expect(page.locator(".token")).to_have_count(9)
    colour = "e => getComputedStyle(e).backgroundColor"
    by_surprisal = page.locator(".token").nth(3).evaluate(colour)
    page.get_by_role("button", name="Hidden state").first.click()
    expect(page.locator(".map .main-svg").first).to_be_visible()
    expect(page.locator(".unit").first).to_have_value("0")
    by_unit = page.locator(".token").nth(3).evaluate(colour)
    page.locator(".unit").first.fill("3")
    by_another = page.locator(".token").nth(3).evaluate(colour)
    assert len({by_surprisal, by_unit, by_another}) == 3
    page.locator(".of").first.select_option("state 1")
    expect(page.locator(".note").nth(1)).to_contain_text("16 of 16 units")


def test_two_checkpoints_write_beside_each_other_and_are_stopped(playground):
    page = playground
    page.locator("#run-1").select_option(index=1)
    page.locator("#decoder").select_option("patient")
    page.locator("#length").fill("2000")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".pane").nth(1).locator(".token").nth(20)).to_be_attached()
    page.get_by_role("button", name="Stop").click()
    for place in (0, 1):
        pane = page.locator(".pane").nth(place)
        expect(pane.locator(".note")).to_have_text("stopped")
        assert pane.locator(".token").count() < 2000


def test_everything_is_reached_by_the_keyboard(playground):
    page = playground
    page.get_by_role("button", name="Score the text").press("Enter")
    expect(page.locator(".token")).to_have_count(9)
    page.locator(".token").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".token").nth(4)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".candidates tr").nth(2)).to_be_visible()
    page.get_by_role("link", name="Runs").press("Enter")
    page.locator("tbody input").press("Space")
    expect(page.locator("#legend h2")).to_have_count(1)


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1600, "light")])
def test_the_page_is_as_wide_as_its_window(serve, look, make_run, width, scheme):
    for number in range(3):
        make_run(f"runs/a_long_name_of_an_experiment_{number}/here", {"optimizer.lr": number})
    page = look(serve(), width, scheme)
    for number in range(3):
        page.locator("tbody input").nth(number).check()
    expect(page.locator("#legend h2")).to_have_count(3)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == width
    page.get_by_role("link", name="Playground").click()
    expect(page.locator("#decoder")).to_have_value("sample")
    page.locator("#prefix").fill("the quick brown fox")
    page.get_by_role("button", name="Score the text").click()
    expect(page.locator(".token")).to_have_count(19)
    page.get_by_role("button", name="Hidden state").first.click()
    expect(page.locator(".map .main-svg").first).to_be_visible()
    assert page.evaluate(wide) == width


def test_chinese_and_right_to_left_text_are_in_their_direction(serve, look, make_run):
    run = make_run("runs/tiny/here")
    texts = ["分开不分开我不能再想", "שלום עולם, מה שלומך", "مرحبا بالعالم"]
    rows = [{"step": 1, "epoch": 1, "prefix": "", "text": text} for text in texts]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "samples.jsonl").write_text(text, "utf-8")
    page = look(serve())
    page.locator("tbody input").check()
    shown = page.locator(".sample > div")
    expect(shown).to_have_text(texts[::-1])
    directions = shown.evaluate_all("all => all.map(e => getComputedStyle(e).direction)")
    assert directions == ["rtl", "rtl", "ltr"]


def test_hostile_names_texts_and_settings_stay_text(serve, look, make_run):
    """What they would do is a dialog, or a complaint of the policy; `look` takes none."""
    run = make_run(f"runs/{HOSTILE.replace('/', '_')}/here", {"optimizer.name": HOSTILE})
    description = json.loads((run / "run.json").read_text("utf-8"))
    description |= {"name": HOSTILE, "doubt": HOSTILE, "started": HOSTILE}
    description["corpus"]["name"] = HOSTILE
    (run / "run.json").write_text(json.dumps(description), "utf-8")
    (run / "metrics.jsonl").write_text(row(1, split=HOSTILE, **{HOSTILE: 1.0}), "utf-8")
    sample = {"step": 1, "epoch": 1, "prefix": HOSTILE, "text": HOSTILE}
    (run / "samples.jsonl").write_text(json.dumps(sample) + "\n", "utf-8")
    (run / "log.txt").write_text(HOSTILE + "\n", "utf-8")
    page = look(serve())
    expect(page.locator("td.name")).to_have_text(HOSTILE)
    page.locator("tbody input").check()
    expect(page.locator(".sample > div")).to_have_text(HOSTILE)
    page.locator("#metric").select_option(HOSTILE)
    page.locator("#chart").hover()
    page.get_by_text("Log", exact=True).click()
    expect(page.locator("#logs pre")).to_have_text(HOSTILE)
    assert page.locator("img, main script").count() == 0
    assert page.locator("text=/alert/").count() > 3


def test_hostile_tokens_stay_text(serve, look, tmp_path, registry):
    text = tmp_path / "text.txt"
    text.write_text(f"{HOSTILE} " * 40, "utf-8")
    experiment = {
        "corpus": {"name": "text", "path": str(text)},
        "tokenizer": {"name": "words"},
        "sampler": {"name": "consecutive", "batch_size": 2, "window": 4},
        "cell": {"name": "rnn", "hidden_size": 8},
        "optimizer": "adam",
        "train": {"steps": 3, "device": "cpu"},
    }
    seqlab.run(experiment, run_dir="runs/tiny/here", registry=registry)
    page = look(serve())
    page.get_by_role("link", name="Playground").click()
    expect(page.locator("#decoder")).to_have_value("greedy")
    page.locator("#prefix").fill(HOSTILE)
    page.get_by_role("button", name="Score the text").click()
    expect(page.locator(".note").nth(1)).to_contain_text("perplexity")
    assert page.locator(".text").first.text_content() == HOSTILE
    page.locator(".token").nth(2).click()
    expect(page.locator(".candidates tr").nth(3)).to_be_visible()
    assert page.locator("img, main script").count() == 0


def test_the_javascript_is_four_hundred_short_lines_without_a_way_to_make_html():
    from importlib.resources import files

    scripts = [f for f in files("seqlab.web").joinpath("static").iterdir() if f.name.endswith("js")]
    lines = [line for file in scripts for line in file.read_text("utf-8").splitlines()]
    assert len(scripts) == 5
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 100
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function"
    assert not [line for line in lines if re.search(forbidden, line)]
