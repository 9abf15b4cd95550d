"""generate, as a user calls it."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import seqlab

WARM = ("--set", "decoder.temperature=0.8")


@pytest.fixture
def generate(seqlab_command, trained_once):
    """Call generate for a run in `here`, whose decoder is `sample`."""
    shutil.copytree(trained_once, "here")
    return lambda *arguments: seqlab_command("generate", "here", *arguments)


def test_num_prints_so_many_continuations_of_each_prefix(generate):
    lines = generate("--prefix", "the", "--prefix", "do", "--num", 4, *WARM).out.splitlines()
    assert [line[:2] for line in lines] == ["th"] * 4 + ["do"] * 4
    assert len(set(lines)) == 8


@pytest.mark.parametrize("more", [(), ("--num", 3), ("--stop", "o"), ("--set", "decoder=beam")])
def test_what_is_streamed_is_what_is_printed_otherwise(generate, more):
    whole = generate("--prefix", "the", *more)
    assert (whole.code, generate("--prefix", "the", "--stream", *more).out) == (0, whole.out)


UNKNOWN = ["Zebra the fox", "the Zebra", "the  \tZebra é", "Zebra th"]


@pytest.fixture
def words_run(tiny):
    tokenizer = {"name": "words", "unknown": "token"}
    return seqlab.run(tiny | {"tokenizer": tokenizer, "train": {"steps": 2}}, run_dir="words")


@pytest.mark.parametrize("prefix", UNKNOWN)
def test_a_prefix_with_unknown_words_is_shown_as_it_was_given(words_run, seqlab_command, prefix):
    call = ("generate", "words", "-p", prefix, "--length", 3)
    result = json.loads(seqlab_command(*call, "--json").out)[0]
    assert result["text"] == prefix + result["continuation"]
    assert words_run.generate(prefix, length=3)[0].text == result["text"]
    printed = seqlab_command(*call).out
    assert (seqlab_command(*call, "--stream").out, printed[:-1]) == (printed, result["text"])
    assert seqlab_command(*call, "--stream", "-p", "the").out.startswith(printed)


@pytest.mark.parametrize("more", [(), ("--num", 3), ("--stop", "o"), ("--set", "decoder=beam")])
def test_several_texts_are_streamed_one_below_another_as_they_are_printed(generate, more):
    prefixes = ("-p", "the", "-p", "do", "-p", "the", "-p", "and so")
    whole = generate(*prefixes, *more)
    assert (whole.code, generate(*prefixes, "--stream", *more).out) == (0, whole.out)


def test_the_first_text_is_shown_as_it_comes_and_the_others_wait(generate, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "seqlab.cli.continuing.generated", lambda text, end="\n": shown.append(text)
    )
    generate("-p", "the", "-p", "do", "--length", 4, "--stream", "--set", "decoder=greedy")
    assert shown[0] == "the"
    assert [len(piece) for piece in shown[1:] if piece] == [1, 1, 1, 1, 6]


def test_a_text_that_cannot_go_on_ends_with_a_line_and_others_do_not(generate):
    pytest.importorskip("llguidance")
    stuck = "decoder={name: constrained, pattern: '(the|do)Q|fox', inner: sample}"
    result = generate("-p", "the", "-p", "do", "--num", 20, "--set", stuck, "--json")
    ended = {(each["continuation"], each["ended"]) for each in json.loads(result.out)}
    assert result.code == 0
    assert ended == {("the", "stuck"), ("do", "stuck"), ("fox", "complete")}
    lines = result.err.splitlines()
    assert len(lines) == sum(each["ended"] == "stuck" for each in json.loads(result.out))
    warning = "seqlab: warning: decoder 'constrained': no token of the vocabulary fits"
    assert all(line.startswith(warning) for line in lines)


def test_set_changes_the_decoder_as_it_does_elsewhere(generate):
    greedy = generate("--prefix", "the", "--set", "decoder=greedy")
    cold = generate("--prefix", "the", "--set", "decoder.temperature=1e-9")
    assert greedy.out == cold.out
    beam = generate("--prefix", "the", "--set", "decoder={name: beam, beams: 2}", "--num", 2)
    assert len(beam.out.splitlines()) == 2


def test_options_of_a_decoder_are_those_that_set_gives_it(generate):
    by_set = ("--set", "decoder.temperature=0.8", "--set", "decoder.top_k=3")
    plain = generate("--prefix", "the", "--temperature", "0.8", "--top-k", 3)
    assert plain.out == generate("--prefix", "the", *by_set).out
    mixed = generate("--prefix", "the", "--temperature", "0.8", "--set", "decoder.top_k=3")
    assert mixed.out == plain.out
    assert generate("--prefix", "the", "--greedy").out == generate("-p", "the", "--top-k", 1).out


def test_an_option_that_the_decoder_lacks_chooses_one_that_has_it(generate, tiny):
    run = seqlab.run(tiny | {"decoder": "greedy", "train": {"steps": 2}})
    drawn = run.generate("the", overrides=["decoder={name: sample, temperature: 0.5}"])
    assert run.generate("the", temperature=0.5) == drawn
    with_more = run.generate("the", temperature=0.5, overrides=["decoder.min_p=0.01"])
    assert with_more[0].ids
    beams = run.generate("the", beams=2, num=2)
    assert beams == run.generate("the", overrides=["decoder={name: beam, beams: 2}"], num=2)
    assert "".join(run.stream("the", decoder="beam", beams=2)) == beams[0].continuation


def test_a_decoder_inside_of_another_one_gets_the_option(generate):
    pytest.importorskip("llguidance")
    pattern = "[a-z ]{6}"
    around = ("--set", f"decoder={{name: constrained, pattern: '{pattern}'}}")
    inner = (
        f"decoder={{name: constrained, pattern: '{pattern}', inner: {{name: sample, top_k: 2}}}}"
    )
    assert (
        generate("-p", "the", "--top-k", 2, *around).out
        == generate("-p", "the", "--set", inner).out
    )


@pytest.fixture
def dropped_decoder(drop):
    """A plugin whose decoder is chosen by `temperature`, in an order before `sample`."""
    drop("""
        from typing import Annotated
        import seqlab

        class Coldest:
            chosen_by = ("temperature",)

            def __init__(self, *, temperature: float = 1.0) -> None:
                pass

            def choose(self, logits, history, uniform):
                return logits.argmin(-1)

        @seqlab.hookimpl
        def seqlab_register_decoders():
            return {"coldest": Coldest, "another": type("Another", (Coldest,), {"chosen_by": ()})}
    """)


def test_a_stranger_may_say_by_which_options_a_decoder_is_chosen(dropped_decoder, tiny):
    run = seqlab.run(tiny | {"train": {"steps": 2}})
    least = run.generate("the", overrides=["decoder=coldest"])
    assert run.generate("the", temperature=0.5) == least
    assert run.generate("the", temperature=0.5, top_p=0.5) != least


def test_json_counts_the_texts_of_each_prefix(generate):
    found = json.loads(generate("-p", "the", "-p", "do", "-p", "the", "--num", 2, "--json").out)
    named = [(result["prefix"], result["number"]) for result in found]
    expected = [("the", 1), ("the", 2), ("do", 1), ("do", 2), ("the", 3), ("the", 4)]
    assert named == expected


def test_several_texts_on_a_terminal_each_have_a_label(generate, monkeypatch):
    monkeypatch.setattr("seqlab.cli.continuing.is_terminal", lambda stream: True)
    texts = ("-p", "the", "-p", "do", "--num", 2, "--length", 3)
    lines = generate(*texts).out.splitlines()
    assert lines[::2] == [
        *("── the · 1 of 2 ──", "── the · 2 of 2 ──", "── do · 1 of 2 ──", "── do · 2 of 2 ──")
    ]
    assert generate(*texts, "--stream").out.splitlines() == lines
    assert len(generate("-p", "the").out.splitlines()) == 1


def test_an_option_that_the_new_decoder_lacks_is_left_behind_with_a_word(generate):
    result = generate("--prefix", "the", *WARM, "--set", "decoder=greedy")
    assert result.code == 0
    assert "decoder.temperature is dropped" in result.err


def test_a_prefixes_file_has_one_on_each_line(generate):
    Path("prefixes.txt").write_bytes("\ufeffthe\r\n\ndog \n".encode())
    results = json.loads(generate("--prefixes-file", "prefixes.txt", "--json").out)
    assert [result["prefix"] for result in results] == ["the", "dog "]


def test_json_has_all_that_is_known_of_a_continuation(generate):
    (result,) = json.loads(generate("--prefix", "the", "--json", "--stop", "o", *WARM).out)
    assert result["text"] == "the" + result["continuation"]
    assert result["ended"] == "stop"
    assert "o" not in result["continuation"]
    assert "".join(result["tokens"]) == result["continuation"] + "o"
    assert len(result["tokens"]) == len(result["ids"]) == len(result["log_probabilities"])
    assert result["score"] == pytest.approx(sum(result["log_probabilities"]))


def test_a_stop_token_ends_a_continuation_and_stays_in_it(generate):
    run = seqlab.open_run("here")
    token = int(run.tokenizer.encode("o")[0])
    (result,) = json.loads(generate("--prefix", "the", "--json", "--stop-token", token).out)
    assert result["continuation"].endswith("o")
    assert result["ended"] == "stop"


def test_the_end_of_a_document_ends_a_continuation_unless_told_otherwise(generate, tiny):
    tokenizer = {"name": "characters", "end_of_document": "x"}
    run = seqlab.run(tiny | {"tokenizer": tokenizer, "train": {"steps": 0}, "decoder": "sample"})
    ended = run.generate("the", length=300)[0]
    assert (ended.ended, ended.text[-1]) == ("stop", "x")
    assert len(run.generate("the", length=300, stop_tokens=())[0].ids) == 300


def test_one_seed_is_one_text(generate):
    texts = [generate("--prefix", "the", "--seed", seed).out for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


IMPOSSIBLE = [
    (("--set", "decoder.top_p=0"), "decoder.top_p"),
    (("--set", "decoder.top_p=1.5"), "decoder.top_p"),
    (("--set", "decoder.top_k=0"), "decoder.top_k"),
    (("--set", "decoder.min_p=-0.1"), "decoder.min_p"),
    (("--set", "decoder.temperature=-1"), "decoder.temperature"),
    (("--set", "decoder.temperature=.nan"), "decoder.temperature"),
    (("--set", "decoder.repetition_penalty=0"), "decoder.repetition_penalty"),
    (("--set", "decoder.repetition_penalty=1e-308"), "decoder.repetition_penalty"),
    (("--set", "decoder.no_repeat=0"), "decoder.no_repeat"),
    (("--set", "decoder={name: beam, beams: 0}"), "decoder.beams"),
    (("--set", "decoder={name: beam, length_penalty: -1}"), "decoder.length_penalty"),
    (("--set", "decoder={name: beam, length_penalty: 100}"), "decoder.length_penalty"),
    (("--set", "decoder=beem"), "did you mean 'beam'?"),
    (("--set", "decoder.temprature=1"), "did you mean 'temperature'?"),
    (("--set", "cell.hidden_size=3"), "generating changes the decoder only"),
    (("--set", "decoder={name: beam, beams: 2}", "--num", 3), "found 2 continuations, not 3"),
    (("--json", "--stream"), "choose one"),
    (("--greedy", "--temperature", "0.5"), "--greedy and --temperature exclude each other"),
    (("--greedy", "--decoder", "beam"), "--greedy and --decoder exclude each other"),
    (("--decoder", "beam", *WARM[:1], "decoder=sample"), "--decoder and the override of"),
    (("--decoder", "beem"), "did you mean 'beam'?"),
    (("--decoder", "beam", "--top-p", "0.5"), "--top-p: decoder 'beam' has no such option"),
    (("--set", "decoder=greedy", "--top-p", "0.5"), "--top-p: decoder 'greedy' has no such"),
    (("--temperature", "0"), "greater than 0; `decoder: greedy`"),
    (("--top-p", "1.5"), "decoder.top_p"),
    (("--unprompted",), "the prefix is empty"),
    (("--prefix", "分"), "prefix '分': character '分'"),
    (("--prefix", ""), "the prefix is empty"),
    (("--stop", ""), "a text to stop at is empty"),
    (("--stop", "\udcff"), "a text to stop at is not UTF-8: '\\udcff'"),
    (("--stop-token", 999), "stop token 999 does not exist"),
    (("--prefixes-file", "nobody.txt"), "nobody.txt: No such file"),
    (("--prefixes-file", "."), ".: Is a directory"),
    (("--prefixes-file", "empty.txt"), "empty.txt: has no prefix; write one on each line"),
    (("--prefixes-file", "latin.txt"), "latin.txt: is not UTF-8 (byte 1)"),
]


@pytest.mark.parametrize(("arguments", "message"), IMPOSSIBLE)
def test_what_cannot_be_is_told_in_one_line_with_code_2(generate, arguments, message):
    Path("empty.txt").write_text("\n\n")
    Path("latin.txt").write_bytes("h\xe9\n".encode("latin-1"))
    result = generate("--prefix", "the", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_without_a_prefix_or_a_terminal_it_says_what_to_give(generate, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    result = generate()
    assert result.code == 2
    assert "no prefix: give --prefix TEXT, or --prefixes-file FILE (- is stdin)" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "no prefix: give --prefix TEXT"), (("--prefixes-file", "-"), "-: stdin is closed")],
)
def test_a_stdin_that_is_closed_is_told_in_one_line(generate, monkeypatch, arguments, message):
    monkeypatch.setattr("sys.stdin", None)
    result = generate(*arguments)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err


class Terminal:
    """The command on a terminal, typed at by a test."""

    def __init__(self, *arguments: str) -> None:
        self.end, other = pty.openpty()
        command = [sys.executable, "-m", "seqlab", "generate", *arguments]
        env = os.environ | {"TERM": "dumb", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=env, start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(other, __import__("termios").TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(other)
        self.seen = ""

    def until(self, text: str, seconds: float = 60) -> str:
        """Read until a text has come; return what came before it."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            self.read()
        before, _, self.seen = self.seen.partition(text)
        return before

    def read(self) -> None:
        if select.select([self.end], [], [], 0.1)[0]:
            self.seen += os.read(self.end, 4096).decode("utf-8", "replace")

    def type(self, data: bytes) -> None:
        os.write(self.end, data)

    def interrupt(self) -> None:
        """Press Ctrl-C until there is a prompt: readline may lose one before it listens."""
        self.seen = ""
        for _ in range(60):
            self.type(b"\x03")
            with suppress(AssertionError):
                self.until("\n> ", seconds=1)
                return
        raise AssertionError(self.seen)


@pytest.fixture
def typed():
    """Return a function that starts the command on a terminal; end it with the test."""
    started: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        started.append(Terminal(*arguments))
        return started[-1]

    yield start
    for terminal in started:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.end)


def test_a_terminal_is_asked_for_prefixes_until_control_d(generate, typed):
    (expected,) = seqlab.open_run("here").generate("the", length=9)
    terminal = typed("here", "--length", "9")
    terminal.until("> ")
    terminal.type(b"the\n")
    assert expected.text in terminal.until("> ")
    terminal.type("分\n".encode())
    assert "seqlab: prefix '分': character '分'" in terminal.until("> ")
    terminal.type(b"\x04")
    assert terminal.process.wait(30) == 0


def test_a_search_gives_its_best_again_for_a_prefix_that_comes_again(generate, typed):
    greedy_beam = "decoder={name: beam, beams: 1}"
    (expected,) = seqlab.open_run("here").generate("the", length=9, overrides=[greedy_beam])
    terminal = typed("here", "--length", "9", "--set", greedy_beam)
    terminal.until("> ")
    for _ in range(2):
        terminal.type(b"the\n")
        assert expected.text in terminal.until("> ")


def test_control_c_ends_a_continuation_and_nothing_else(generate, typed):
    terminal = typed("here", "--length", "1000000")
    terminal.until("> ")
    terminal.type(b"the\n")
    terminal.until("the\r\n")
    while len(terminal.seen) < 200:
        terminal.read()
    terminal.interrupt()
    terminal.interrupt()
    terminal.type(b"\x04")
    assert terminal.process.wait(30) == 0
