"""The session of generate, on a terminal: what is typed, and what is seen."""

from __future__ import annotations

import shutil
import stat
import time

import pytest
from terminals import Terminal

import seqlab
from seqlab.cli.typed_lines import history_path


class Typist:
    """Types at a session, and waits for the next prompt."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.read = 0

    def seen(self) -> str:
        """Wait for a prompt; return what came since the one before."""
        before, deadline = self.read, time.monotonic() + 60
        while not self.terminal.text[before:].endswith("\n> "):
            assert time.monotonic() < deadline, self.terminal.text
            self.terminal.read()
        self.read = len(self.terminal.text)
        return self.terminal.text[before:].replace("\r\n", "\n")

    def type(self, line: str) -> str:
        self.terminal.type(f"{line}\n".encode())
        return self.seen()


@pytest.fixture
def session(trained_once):
    """Start a session of the run in `here`."""
    shutil.copytree(trained_once, "here")
    started: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Typist:
        terminal = Terminal(
            "generate", "here", "--length", "9", *arguments, TERM="dumb", **environment
        )
        started.append(terminal)
        return Typist(terminal)

    yield start
    for terminal in started:
        terminal.close()


def test_a_session_says_what_it_is_and_does_what_is_typed(session):
    run = seqlab.open_run("here")
    typist = session()
    banner = typist.seen()
    assert f"here, step {run.checkpoint.step}, decoder sample" in banner
    assert "/help lists commands; Ctrl-C ends a text, Ctrl-D the session" in banner

    assert run.generate("the", length=9)[0].text in typist.type("the")
    again = run.generate("the", length=9, num=2)[1].text
    assert again in typist.type("the")

    assert "decoder {name: sample, temperature: 0.5}" in typist.type("/set temperature 0.5")
    assert run.generate("a", length=9, temperature=0.5)[0].text in typist.type("a")
    assert "greater than 0" in typist.type("/set temperature -1")
    assert "temperature: 0.5" in typist.type("/set")
    assert "did you mean 'temperature'?" in typist.type("/set temprature 1")
    assert "decoder beam" in typist.type("/set decoder beam")
    assert run.generate("a", length=9, decoder="beam")[0].text in typist.type("a")
    assert "did you mean 'beam'?" in typist.type("/set decoder beem")
    assert "has no such option; there are: beams" in typist.type("/set temperature 1")

    typist.type("/set decoder sample")
    typist.type("/seed 7")
    typist.type("/length 4")
    assert run.generate("the", length=4, seed=7)[0].text + "\n" in typist.type("the")
    typist.type("/num 2")
    assert "── do · 2 of 2 ──" in typist.type("do")
    assert "/seed: needs a whole number, as in /seed 7" in typist.type("/seed seven")
    assert "/length should be at least 1" in typist.type("/length 0")

    assert "no command '/sed'; did you mean 'seed'?" in typist.type("/sed 7")
    assert "now: length 4, num 2, seed 7, decoder sample" in typist.type("/help")
    assert "character '/'" in typist.type("//usr")
    assert "Traceback" not in typist.terminal.text
    typist.terminal.type(b"/quit\n")
    typist.terminal.until(None)
    assert typist.terminal.process.wait(30) == 0

    lines = history_path().read_text("utf-8").splitlines()
    assert lines[0] == "the"
    assert lines[-1] == "/quit"
    assert stat.S_IMODE(history_path().stat().st_mode) == 0o600


def test_a_history_is_gone_on_with_and_tab_completes(session):
    history_path().parent.mkdir(parents=True)
    history_path().write_text("".join(f"/seed {n}\n" for n in range(1500)))
    typist = session()
    typist.seen()
    typist.terminal.type(b"\x1b[A")  # the line before, which is /seed 1499
    typist.type("5")
    assert "seed 14995" in typist.type("/help")
    assert "decoder typical" in typist.type("/set dec\ttyp\t")
    typist.terminal.type(b"\x04")
    typist.terminal.until(None)
    lines = history_path().read_text("utf-8").splitlines()
    assert len(lines) == 1000
    assert "/seed 14995" in lines


@pytest.mark.parametrize(
    ("arguments", "environment"), [(("--no-history",), {}), ((), {"XDG_STATE_HOME": "/dev/null"})]
)
def test_a_history_is_kept_only_if_it_is_wanted_and_can_be(session, arguments, environment):
    typist = session(*arguments, **environment)
    typist.seen()
    typist.type("/num 1")
    typist.terminal.type(b"\x04")
    typist.terminal.until(None)
    assert typist.terminal.process.wait(30) == 0
    assert not history_path().exists()


def test_a_typed_text_with_unknown_words_is_shown_as_it_was_typed(tiny, session):
    tokenizer = {"name": "words", "unknown": "token"}
    seqlab.run(tiny | {"tokenizer": tokenizer, "train": {"steps": 2}}, run_dir="words")
    shutil.rmtree("here")
    shutil.move("words", "here")
    typist = session()
    typist.seen()
    assert "\nZebra the fox" in typist.type("Zebra the fox")
