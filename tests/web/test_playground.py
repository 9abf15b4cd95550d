"""What models write on the page is what they write everywhere, and what is told of it is true."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated

import pytest
import torch
from pydantic import Field

import seqlab
from seqlab.web.playground import Playground
from seqlab.web.working import Left

TEXT = "the quick"


class EveryOther:
    """Always the second likeliest token; nothing that seqlab knows.

    Args:
        rank: which one.
        draft: a file.
    """

    def __init__(
        self, *, rank: Annotated[int, Field(ge=0, le=9)] = 1, draft: Path | None = None
    ) -> None:
        self._rank = rank

    def choose(self, logits, history, uniform):
        return logits.topk(self._rank + 1).indices[:, self._rank]


@pytest.fixture
def site(serve, make_run):
    make_run("runs/tiny/here")
    strange = {"decoders": {"every_other": EveryOther}}
    return serve(own=seqlab.load_plugins(local=False, given=[strange]))


@pytest.fixture
def here(site) -> str:
    return site.id_of(Path("runs/tiny/here").absolute())


def tokens(told) -> list[dict]:
    return [token for name, value in told if name == "tokens" for token in value["tokens"]]


def test_the_text_is_that_of_generate_and_each_token_has_its_surprisal(site, here):
    options = {"decoder": "sample", "options": {"option.temperature": "0.7"}}
    shown = tokens(site.told("generate", run=here, text=TEXT, length=20, seed=5, **options))
    run = seqlab.open_run("runs/tiny/here")
    (expected,) = run.generate(TEXT, length=20, seed=5, temperature=0.7)
    assert "".join(token["text"] for token in shown) == expected.text
    nats = [token["nats"] for token in shown if token["nats"] is not None]
    assert nats == pytest.approx([-p for p in expected.log_probabilities], abs=1e-5)


def test_a_search_is_shown_too(site, here):
    shown = tokens(site.told("generate", run=here, text=TEXT, length=8, decoder="beam"))
    (expected,) = seqlab.open_run("runs/tiny/here").generate(TEXT, length=8, decoder="beam")
    assert "".join(token["text"] for token in shown) == expected.text


def test_a_text_is_scored_as_score_does(site, here):
    told = site.told("score", run=here, text="the lazy dog")
    expected = seqlab.open_run("runs/tiny/here").score("the lazy dog")
    nats = [token["nats"] for token in tokens(told)]
    assert nats[0] is None
    assert nats[1:] == pytest.approx(list(expected.surprisal[1:]), abs=1e-5)
    assert f"perplexity {expected.perplexity:.3f}" in told[-1][1]["note"]


def candidates(site, here, at: int, **body) -> dict:
    ((name, value),) = site.told("candidates", run=here, at=at, **body)
    assert name == "candidates", value
    return value


def share(text: str) -> float:
    return float(text.removesuffix(" %")) / 100


def test_candidates_have_the_probabilities_of_model_and_decoder(site, here):
    """`sample` with top_k: what it leaves is the softmax of the likeliest k."""
    options = {"decoder": "sample", "options": {"option.top_k": "3", "option.temperature": "2"}}
    value = candidates(site, here, len(TEXT) + 4, text=TEXT, length=10, **options)
    run = seqlab.open_run("runs/tiny/here")
    (text,) = run.generate(TEXT, length=10, top_k=3, temperature=2)
    ids = run.tokenizer.encode(text.text[: len(TEXT) + 4])
    logits = run.model(torch.tensor(ids)[None])[0, -1].double()
    best = logits.topk(10)
    lines = value["lines"]
    expected = logits.softmax(-1)[best.indices].tolist()
    assert [share(line[1]) for line in lines[:10]] == pytest.approx(expected, abs=1e-4)
    left = [*(best.values[:3] / 2).softmax(-1).tolist(), *[0.0] * 7]
    assert [share(line[2]) for line in lines[:10]] == pytest.approx(left, abs=0.002)
    chosen = text.text[len(TEXT) + 4].replace(" ", "␣")
    assert lines[value["chosen"]][0] == chosen


def test_a_strangers_decoder_tells_as_much(site, here):
    value = candidates(site, here, len(TEXT) + 2, text=TEXT, length=5, decoder="every_other")
    assert [share(line[2]) for line in value["lines"]] == [0, 1, *[0] * 8]
    assert value["chosen"] == 1


def test_a_decoder_with_a_memory_is_asked_with_what_it_remembers(site, here):
    body = {"text": TEXT, "length": 8, "decoder": "mirostat"}
    value = candidates(site, here, len(TEXT) + 6, **body)
    shown = tokens(site.told("generate", run=here, **body))
    chosen = value["lines"][value["chosen"]]
    assert chosen[0].replace("␣", " ") == shown[len(TEXT) + 6]["text"]
    assert share(chosen[2]) > 0
    assert sum(share(line[2]) for line in value["lines"]) == pytest.approx(1, abs=0.05)


def test_candidates_of_a_scored_text(site, here):
    value = candidates(site, here, 4, text="the lazy", is_scored=True, decoder="greedy")
    assert value["lines"][value["chosen"]][0] == "l"
    assert [share(line[2]) for line in value["lines"][:2]] == [1, 0]


def test_before_the_first_token_there_is_nothing_to_choose_from(site, here):
    ((name, value),) = site.told("candidates", run=here, at=0, text="the", is_scored=True)
    assert name == "error"
    assert "nothing comes before" in value["error"]


def test_hidden_states_are_those_of_the_model(site, here):
    ((_, value),) = site.told("hidden", run=here, text="the lazy", is_scored=True)
    run = seqlab.open_run("runs/tiny/here")
    ids = torch.tensor(run.tokenizer.encode("the lazy"))[None]
    with torch.no_grad():
        hidden, _ = run.model.hidden(ids, None)
    assert value["values"] == [pytest.approx(row, abs=2e-3) for row in hidden[0].tolist()]
    assert value["parts"] == ["outputs", "state 1"]
    ((_, state),) = site.told("hidden", run=here, text="the lazy", is_scored=True, part="state 1")
    assert state["values"] == [pytest.approx(row, abs=2e-3) for row in value["values"]]


def test_the_form_of_a_decoder_is_its_signature(site, here):
    forms = site.ask(f"/api/runs/{here}/forms").json
    assert forms["own"] == "sample"
    by_name = {decoder["name"]: decoder for decoder in forms["decoders"]}
    (rank,) = by_name["every_other"]["options"]  # a path is no option of the page
    assert rank["help"].startswith("which one.")
    assert rank["field"]["type"] == "number"
    assert (rank["field"]["min"], rank["field"]["max"]) == ("0", "9")
    assert rank["field"]["placeholder"] == "1"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"decoder": "nothing"}, "nothing"),
        ({"decoder": "every_other", "options": {"option.rank": "99"}}, "less than or equal to 9"),
        ({"decoder": "every_other", "options": {"option.rank": "[" * 999}}, "rank"),
        ({"decoder": "every_other", "options": {"option.draft": "/etc/passwd"}}, "no option"),
        ({"decoder": "speculative", "options": {"option.draft": "runs"}}, "no option 'draft'"),
        ({"checkpoint": "7"}, "no checkpoint '7'"),
        ({"checkpoint": "../../x"}, "no checkpoint"),
        ({"text": "Ω"}, "Ω"),
    ],
)
def test_what_is_not_possible_is_one_clear_answer(site, here, body, words):
    ((name, value),) = site.told("generate", **({"run": here, "text": TEXT} | body))
    assert name == "error"
    assert words in value["error"]


def test_two_models_are_kept_and_the_oldest_goes(serve, make_run, registry):
    names = ["a", "b", "c"]
    for name in names:
        make_run(f"runs/{name}/here")
    site = serve()
    for name in [*names, "b"]:
        run = site.id_of(Path(f"runs/{name}/here").absolute())
        site.told("generate", run=run, text=TEXT, length=2)
    kept = [opened.path.parent.name for _, opened in site.models.kept]
    assert kept == ["c", "b"]


def test_a_generation_ends_when_the_browser_leaves(site, here, monkeypatch):
    ended = []
    whole = Playground.generate

    def watched(self):
        try:
            whole(self)
            ended.append("whole")
        except Left:
            ended.append("left")

    monkeypatch.setattr(Playground, "generate", watched)
    connection = HTTPConnection("127.0.0.1", site.port)
    headers = {
        "Authorization": "Bearer t0ken-of-the-test",
        "Origin": f"http://{site.host}",
        "Content-Type": "application/json",
    }
    body = {"run": here, "text": TEXT, "length": 2000, "decoder": "sample"}
    connection.request("POST", "/api/play/generate", json.dumps(body), headers)
    answer = connection.getresponse()
    read = answer.read(300)
    answer.close()
    connection.close()
    assert b"tokens" in read
    until = time.monotonic() + 10
    while not ended and time.monotonic() < until:
        time.sleep(0.02)
    assert ended == ["left"]
