"""The first ten minutes of a newcomer, as data: what is typed, and what is waited for.

The screens are kept in `screens/`; `python -m tests.newcomer --update` renews them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tmux import Tmux

WIDTHS = (80, 160)
HEIGHT = 120
SCREENS = Path(__file__).parent / "screens"
PROMPT = "$ "

SONGS = """\
风吹过屋檐，灯还亮着，你说分开以后会想起我。
雨落在街上，我走得很慢，不分开的人都在家里等着。
风吹过屋檐，灯还亮着，我们把一首歌唱了又唱。
雨落在街上，天还没亮，分开的人也在同一首歌里。
"""
EXPERIMENT = """\
corpus: {name: text, path: songs.txt, newlines: space}
sampler: {name: consecutive, batch_size: 2, window: 8}
cell: {name: rnn, hidden_size: 32}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 40, device: cpu}
samples: {every: 20, prefixes: [分开, 不分开], length: 10}
"""
IDLE = "extends: songs.yaml\noptimizer: {name: adam, lr: 1.0e-9}\ntrain: {epochs: 2}\n"


class Step(NamedTuple):
    """What is typed, and what the last line is when it is done; `name` is that of the screen.

    A step that is the first of a screen begins on an empty one; `name` is empty where another step
    follows on the same screen.
    """

    name: str
    typed: str
    until: str = PROMPT.strip()


STEPS = (
    Step("seqlab", "seqlab"),
    Step("misspelt-command", "seqlab rum"),
    Step("broken-brace", "seqlab validate --quick broken.yaml"),
    Step("misspelt-name", "seqlab validate --quick songs.yaml --set cell=LSTM"),
    Step("run", "seqlab run songs.yaml"),
    Step("run-gru", "seqlab run songs.yaml --set cell=gru --set cell.hidden_size=24"),
    Step("", "seqlab run idle.yaml --strict"),
    Step("run-with-a-doubt", "echo code $?"),
    Step("", "seqlab runs tag idle wrong"),
    Step("", "seqlab runs note idle 'the rate is far too low'"),
    Step("runs", "seqlab runs"),
    Step("runs-where", "seqlab runs --where cell=gru --sort -best"),
    Step("runs-rm", "seqlab runs rm wrong --yes"),
    Step("compare", "seqlab compare runs/songs"),
    Step("", "seqlab generate songs --length 12", "> "),
    Step("", "/help", "> "),
    Step("", "分开", "> "),
    Step("", "/seed 7", "> "),
    Step("", "/set temperature 0.7", "> "),
    Step("", "/set temprature 0.7", "> "),
    Step("generate", "/quit"),
    Step("score", "seqlab score songs 风吹过屋檐，雨落在街上"),
    Step("score-table", "seqlab score songs 风吹过屋檐 --table"),
    Step("eval-text", "seqlab eval songs --text songs.txt"),
    Step("plot", "seqlab plot songs"),
    Step("plot-out", "seqlab plot runs/songs --x epoch --out songs.svg"),
    Step("describe", "seqlab describe songs.yaml"),
    Step("export", "seqlab export songs --to folder"),
    Step("plugins-show-cell", "seqlab plugins show cell"),
    Step("explain", "seqlab explain songs.yaml cell"),
    Step("explain-key", "seqlab explain songs.yaml cell.hidden_size"),
)

_MASKS = (
    (r"(?m)^( *)(tokens/s|tokens_per_second|seconds) .*", r"\1\2 …"),  # of `compare` and `eval`
    (r"\b\d{8}T\d{6}Z-[0-9a-f]{6}\b", "TIME-ID"),
    (r"\bseqlab \d+\.\d+\.\d+", "seqlab VERSION"),
    (r" *\b\d+\.\d+(e-?\d+)?", "#"),
    (r" +(age|\b\d+ (s|min|h|days?) ago)(?=  )", "  age…"),
    (r"─{9,}", "───…"),  # under headings, as wide as the ages make it
    (r"\b[0-9a-f]{6}\b", "ID"),
    (r"(?m)^ +(\d+|#) (?=\|)", "# "),  # the y axis of a plot
    (r"(?m)^ +\|( +[\d#]+)+$", "| #"),  # its x axis
)


def masked(screen: str) -> str:
    """A screen without what differs from day to day and from machine to machine.

    What is masked takes as much room as it did, with the spaces before it, so that columns stay in
    line; what has `…` may be of any width.
    """
    for pattern, mask in _MASKS:
        expand = re.compile(pattern)
        screen = expand.sub(lambda match, mask=mask: _as_wide(match, mask), screen)
    return screen


def _as_wide(match: re.Match[str], mask: str) -> str:
    return match.expand(mask).rjust(len(match[0])) if "…" not in mask else match.expand(mask)


def walk(folder: Path, width: int) -> Iterator[tuple[str, str]]:
    """Do every step in an empty folder; yield the name of each screen, and what is on it."""
    _prepare(folder)
    terminal = Tmux(
        "bash --norc --noprofile", width=width, height=HEIGHT, environment=_environment(folder)
    )
    try:
        terminal.type(f"cd {folder / 'work'}; PS1='{PROMPT}'; clear")
        terminal.press("Enter")
        is_new = True
        for step in STEPS:
            if is_new:
                _clear(terminal)
            terminal.type(step.typed)
            terminal.press("Enter")
            seen = terminal.until(lambda screen, step=step: _is_done(screen, step))
            is_new = bool(step.name)
            if is_new:
                yield step.name, seen
    finally:
        terminal.close()


def _clear(terminal: Tmux) -> None:
    terminal.press("C-l")
    terminal.until(lambda screen: screen.strip() == PROMPT.strip())


def _is_done(screen: str, step: Step) -> bool:
    """Whether the last line waits for the next thing, below what was typed."""
    lines = screen.split("\n")
    typed = [number for number, line in enumerate(lines) if line.endswith(step.typed)]
    return bool(typed) and lines[-1].strip() == step.until.strip() and typed[-1] < len(lines) - 1


def _prepare(folder: Path) -> None:
    work, command = folder / "work", folder / "bin" / "seqlab"
    for path in (work, command.parent):
        path.mkdir(parents=True)
    (work / "songs.txt").write_text(SONGS, "utf-8")
    (work / "idle.yaml").write_text(IDLE, "utf-8")
    (work / "songs.yaml").write_text(EXPERIMENT, "utf-8")
    (work / "broken.yaml").write_text(EXPERIMENT.replace("32}", "32"), "utf-8")
    command.write_text(f"#!{sys.executable}\nfrom seqlab.cli import main\nmain()\n", "utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)


def _environment(folder: Path) -> dict[str, str]:
    """What a newcomer has; what decides about digits is as everywhere."""
    kept = {key: os.environ[key] for key in ("PYTHONPATH", "SEQLAB_CACHE") if key in os.environ}
    return kept | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "SEQLAB_OFFLINE": "1",
        "SEQLAB_KERNELS": "reference",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HISTFILE": "",
    }
