"""What a command shows while it works: at once, all the time, and nothing of it in the end."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from terminals import Terminal, screen

SLOW = """
    import time
    from seqlab import hookimpl

    class Slow:
        '''Makes a run last, and presses nothing.'''

        def __init__(self, *, seconds: float = 0.01):
            self.seconds = seconds

        def seqlab_step_ended(self, record):
            time.sleep(self.seconds)

    @hookimpl
    def seqlab_register_observers():
        return {"slow": Slow}
"""
NARROW = 60


@pytest.fixture
def terminal():
    """Return a function that starts the command on a terminal; end it with the test."""
    started: list[Terminal] = []

    def start(*arguments, **options) -> Terminal:
        started.append(Terminal(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def slow_torch(tmp_path, monkeypatch):
    """Put something before torch that takes as long to import."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(1.7)\nraise ImportError('mine')")


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (("run", "tiny.yaml"), "running tiny.yaml"),
        (("generate", "here", "-p", "the"), "generating from here"),
        pytest.param(("resume", "here"), "resuming here", marks=pytest.mark.slow),
        pytest.param(("eval", "here"), "scoring here", marks=pytest.mark.slow),
    ],
    ids=lambda value: value[0],
)
def test_a_command_says_at_once_what_it_does_and_never_falls_silent(
    experiment, trained_once, terminal, slow_torch, arguments, first
):
    Path("here").symlink_to(trained_once)
    shown = terminal(*arguments)
    shown.until(f"seqlab: {first}\r\n", seconds=5)  # benchmarks/first_line.py measures it
    assert "Importing torch" not in shown.came[0][1]
    text = shown.until(None)
    assert text.count("Importing torch  0:0") >= 3
    assert max(shown.gaps()[1:]) < 2
    assert not [line for line in screen(text, 80) if "Importing" in line]


def test_ctrl_c_while_something_is_imported_leaves_a_clean_line(experiment, terminal, slow_torch):
    shown = terminal("run", experiment)
    shown.until("Importing torch")
    shown.type(b"\x03")
    lines = screen(shown.until(None), 80)
    assert shown.process.returncode == 130
    assert lines == ["seqlab: running tiny.yaml", "seqlab: interrupted", ""]


def test_a_run_on_a_terminal_shows_how_far_it_is_and_leaves_only_its_lines(
    experiment, drop, terminal
):
    drop(SLOW)
    doubtful = ("--set", "optimizer={name: sgd, lr: 1e-9}", "--set", "observers=[slow]")
    shown = terminal("run", experiment, *doubtful, "--set", "train.epochs=2")
    text = shown.until(None)
    assert shown.process.returncode == 0
    bar = r"epoch [12]/2  \[[= ]+\]  0:\d\d left  loss 3\.\d{3}  perplexity \d\d\.\d{3}  \d+"
    assert re.search(bar, text)
    assert max(shown.gaps()[1:]) < 3
    first, *_, where, _ = screen(text, 80)
    assert first == "seqlab: running tiny.yaml"
    assert where.startswith("seqlab: The run is in ")
    assert "epoch 2/2" not in "".join(screen(text, 80))
    assert re.search(r"\x1b\[31mseqlab: warning: The loss of the last epoch [^\x1b]*\x1b\[0m", text)


def test_ctrl_c_in_training_on_a_narrow_terminal_leaves_a_clean_line(experiment, drop, terminal):
    drop(SLOW)
    long = ("--set", "train.epochs=500", "--set", "observers=[slow]", "--run-dir", "r")
    shown = terminal("run", experiment, *long, width=NARROW)
    shown.until("left  loss ")
    shown.type(b"\x03")
    text = shown.until(None)
    assert shown.process.returncode == 130
    for picture in re.findall(r"epoch \d+/500[^\r\n\x1b]*", text):
        assert len(picture) < NARROW
    lines = [line for line in screen(text, NARROW) if line]
    assert not [line for line in lines if "/500" in line]
    assert any(line.startswith("seqlab: interrupted after step ") for line in lines)


def test_without_a_terminal_progress_is_lines_on_stderr_and_stdout_is_as_ever(
    seqlab_command, experiment, drop, monkeypatch
):
    drop(SLOW)
    monkeypatch.setattr("seqlab.status_line.LINES", 0.2)
    done = seqlab_command("run", experiment, "--set", "observers=[slow]")
    line = r"seqlab: epoch 1/1, \d+:\d\d left, loss \d\.\d{3}, perplexity \d+\.\d{3}, \S+ tokens/s"
    assert re.search(f"^{line}$", done.err, re.MULTILINE)
    assert re.fullmatch(r"epoch 1, perplexity \d+\.\d{6}, time \d+\.\d\d sec\n", done.out)


def test_what_shows_progress_draws_no_random_number(seqlab_command, experiment, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    random.seed(5)
    before = random.getstate()
    assert seqlab_command("run", experiment).code == 0
    assert random.getstate() == before


@pytest.mark.parametrize("verb", ["run", "resume"])
def test_a_doubt_is_a_failure_with_strict(seqlab_command, experiment, verb):
    hopeless = ("--set", "optimizer={name: sgd, lr: 1e-9}", "--run-dir", "here")
    done = seqlab_command("run", experiment, *hopeless, *(["--strict"] * (verb == "run")))
    if verb == "resume":
        assert done.code == 0
        done = seqlab_command("resume", "here", "--set", "train.epochs=2", "--strict")
    assert done.code == 1
    assert done.complaints[-1] == (
        "seqlab: here: ended with a doubt, which is an error with --strict"
    )
    known = json.loads(Path("here/run.json").read_text())
    assert known["status"] == "finished"
    assert any(known["doubt"] in line for line in done.complaints)


def test_strict_is_content_with_a_run_that_has_learnt(seqlab_command, experiment):
    done = seqlab_command("run", experiment, "--strict", "--run-dir", "here")
    assert (done.code, json.loads(Path("here/run.json").read_text())["doubt"]) == (0, None)


def test_a_run_of_a_stand_in_says_so_at_its_end_and_when_it_is_resumed(
    seqlab_command, experiment, text_file
):
    stand_in = f"corpus={{name: jay_lyrics, if_unavailable: {{name: text, path: {text_file}}}}}"
    done = seqlab_command("run", experiment, "--set", stand_in, "--run-dir", "here")
    resumed = seqlab_command("resume", "here", "--set", "train.epochs=2")
    again = "seqlab: warning: This run is of 'text' instead of 'jay_lyrics', which could not be had"
    assert done.code == resumed.code == 0
    for lines in (done.complaints, resumed.complaints):
        assert lines[-2].startswith(again)


OUT_OF_MEMORY = """
    import seqlab
    from seqlab_plugins.decoders.sampling import Greedy

    class Greedy(Greedy):
        def choose(self, logits, history, uniform):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total")

    @seqlab.hookimpl
    def seqlab_register_decoders():
        return {"greedy_for_memory": Greedy}
"""


@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_generating_more_than_fits_says_what_to_lower(seqlab_command, trained_once, drop, stream):
    drop(OUT_OF_MEMORY)
    prefixes = ("-p", "the", "-p", "fox", "--num", "3", "--set", "decoder=greedy_for_memory")
    done = seqlab_command("generate", trained_once, *prefixes, *stream)
    assert done.code == 1
    assert done.complaints[-1:] == [
        "seqlab: generating needs more memory than there is (20.00 GiB were requested); lower"
        " --num (3) or --length (50), or give fewer prefixes at once (2 now)"
    ]


def test_scoring_more_than_fits_says_what_to_lower(seqlab_command, trained_once, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("can't allocate memory: you tried to allocate 12 bytes")

    monkeypatch.setattr("seqlab.runs.evaluating.measure", full)
    done = seqlab_command("eval", trained_once, "--split", "train", "--batch-size", "8")
    assert done.code == 1
    assert done.complaints == [
        "seqlab: scoring split 'train' needs more memory than there is (12 bytes were requested);"
        " lower --batch-size (8) or --window (128)"
    ]


def test_names_of_runs_are_suggested_whatever_their_case(seqlab_command, experiment):
    seqlab_command("run", experiment)
    assert "did you mean 'tiny'?" in seqlab_command("eval", "TINY").err
    assert "did you mean 'latest'?" in seqlab_command("resume", "Latest").err
    assert "did you mean 'train'?" in seqlab_command("eval", "tiny", "--split", "Train").err
