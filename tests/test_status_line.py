"""One line that shows what is being done, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminals import screen

from seqlab import status_line
from seqlab.status_line import columns, erase_status, shortened, show_status


class Tty(io.StringIO):
    """A terminal of 40 columns, which is redrawn all the time."""

    def __init__(self, monkeypatch):
        super().__init__()
        self._monkeypatch = monkeypatch

    def isatty(self) -> bool:
        return True

    def begin(self) -> None:
        """Become stdout and stderr; in a fixture that would be too early."""
        self._monkeypatch.setattr(sys, "stdout", self)
        self._monkeypatch.setattr(sys, "stderr", self)

    @property
    def lines(self) -> list[str]:
        return screen(self.getvalue().replace("\n", "\r\n"), 40)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(status_line, "REDRAWN", 0.01)
    monkeypatch.setattr(status_line, "_width", lambda _: 40)
    monkeypatch.setenv("TERM", "xterm")
    return Tty(monkeypatch)


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_thread_redraws_it(terminal):
    terminal.begin()
    drawn = iter(range(10**9))
    end = show_status(lambda _: f"picture {next(drawn)}")
    wait_for(lambda: "picture 3" in terminal.getvalue())
    end()
    assert terminal.lines == [""]


def test_what_others_print_stays_above_it(terminal):
    terminal.begin()
    end = show_status(lambda _: "at work")
    sys.stdout.write("one\n")
    sys.stderr.write("two\n")
    wait_for(lambda: terminal.lines == ["one", "two", "at work"])
    end()
    assert terminal.lines == ["one", "two", ""]
    assert sys.stdout is sys.stderr is terminal


def test_a_line_that_is_not_ended_is_left_alone(terminal):
    terminal.begin()
    end = show_status(lambda _: "at work")
    sys.stdout.write("half a")
    time.sleep(0.1)
    assert terminal.lines == ["half a"]
    sys.stdout.write(" line\n")
    end()
    assert terminal.lines == ["half a line", ""]


def test_the_latest_status_is_shown_and_then_the_one_before_it(terminal):
    terminal.begin()
    end_outer = show_status(lambda _: "outer")
    end_inner = show_status(lambda _: "inner")
    assert terminal.lines == ["inner"]
    end_inner()
    wait_for(lambda: terminal.lines == ["outer"])
    end_outer()
    end_outer()  # twice is once
    assert terminal.lines == [""]


def test_it_never_wraps_and_nothing_of_it_stays_when_the_terminal_becomes_narrower(
    terminal, monkeypatch
):
    terminal.begin()
    end = show_status(lambda _: "x" * 99)
    assert terminal.lines == ["x" * 39]
    monkeypatch.setattr(status_line, "_width", lambda _: 15)  # 39 columns now take three lines
    end()
    assert terminal.getvalue().endswith("\r\x1b[2A\x1b[J")


def test_control_characters_in_it_are_shown_and_not_sent(terminal):
    terminal.begin()
    end = show_status(lambda _: "a\x1b[31mb\nc")
    assert "\\x1b[31mb c" in terminal.getvalue()
    end()


def test_without_a_terminal_it_is_a_line_now_and_then(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(status_line, "LINES", 0.01)
    end = show_status(lambda width: f"at work ({width})")
    assert stream.getvalue() == ""  # the first one comes after the first interval
    wait_for(lambda: stream.getvalue().count("\n") > 2)
    end()
    assert set(stream.getvalue().splitlines()) == {"seqlab: at work (None)"}


def test_a_dumb_terminal_is_not_drawn_on(terminal, monkeypatch):
    terminal.begin()
    monkeypatch.setenv("TERM", "dumb")
    show_status(lambda _: "at work")()
    assert terminal.getvalue() == ""


def test_a_terminal_that_is_gone_stops_nobody(terminal):
    terminal.begin()
    end = show_status(lambda _: "at work")
    terminal.close()
    end()


def test_it_can_be_erased_while_a_thread_holds_it(terminal):
    terminal.begin()
    end = show_status(lambda _: "at work")
    erase_status()
    assert terminal.lines == [""]
    end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside threads
def test_a_child_prints_as_if_there_were_none(terminal):
    terminal.begin()
    end = show_status(lambda _: "at work")
    sys.stderr.screen._lock.acquire()  # as if the thread were drawing at the fork
    child = os.fork()
    if not child:
        sys.stdout.write("child")
        os._exit(0 if "child" in terminal.getvalue() else 1)
    sys.stderr.screen._lock.release()
    assert os.waitpid(child, 0)[1] == 0
    end()


@given(st.text(), st.integers(0, 50))
def test_what_is_shortened_fits_and_is_no_shorter_than_it_has_to_be(text, width):
    kept = shortened(text, width)
    assert text.startswith(kept)
    assert columns(kept) <= width
    assert kept == text or columns(text[: len(kept) + 1]) > width
