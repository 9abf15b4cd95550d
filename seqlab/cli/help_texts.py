"""The commands in groups, and the examples at the end of the help of each."""

from __future__ import annotations

import click

START = """\
Start with:
  seqlab init songs && cd songs          a folder with experiments
  seqlab run experiments/jay_rnn.yaml    train a model of song lyrics
  seqlab generate latest                 type a beginning, and it goes on
"""

GROUPS = {
    "Train": {
        "init": "Create a working folder with experiments and plugins.",
        "run": "Run an experiment.",
        "resume": "Continue a run from its latest checkpoint.",
        "sweep": "Search a space of experiments, in many runs.",
    },
    "Look at runs": {
        "runs": "List, tag, annotate and remove runs.",
        "compare": "Compare the settings and results of runs.",
        "plot": "Draw the metrics of runs.",
        "serve": "Show runs and their models in a browser, live.",
        "eval": "Score a model on a split, or on another text.",
    },
    "Write with a model": {
        "generate": "Continue prefixes.",
        "score": "Show how surprising each token of a text is.",
        "export": "Write a model in another form: a folder, ONNX, a hub.",
    },
    "Experiment files": {
        "validate": "Check experiments without training.",
        "explain": "Explain where a value comes from and who reads it.",
        "describe": "Show parameters, costs and sizes; of a run, too.",
        "schema": "Print the JSON Schema of experiments, for editors.",
    },
    "Plugins and corpora": {
        "plugins": "List, show, check and write plugins.",
        "corpus": "Describe or prepare a corpus, list the cache.",
    },
    "This installation": {
        "doctor": "Check the installation, and the files of a run.",
        "version": "Show the versions of what is installed.",
        "completion": "Let the shell complete what is typed.",
    },
}

EXAMPLES = {
    "init": ("seqlab init songs",),
    "run": (
        "seqlab run experiments/jay_rnn.yaml",
        "seqlab run experiments/jay_rnn.yaml --set cell=lstm --set optimizer.lr=3e-3",
        "seqlab run experiments/jay_rnn.yaml --seeds 3",
    ),
    "resume": (
        "seqlab resume latest",
        "seqlab resume jay_rnn --set train.epochs=500",
    ),
    "sweep": (
        "seqlab sweep experiments/sweeps/cells.yaml",
        "seqlab sweep status cells",
    ),
    "sweep run": (
        "seqlab sweep experiments/sweeps/cells.yaml --set parallel=4 --set trials=100",
        "seqlab sweep experiments/sweeps/cells.yaml --dry-run",
    ),
    "sweep status": ("seqlab sweep status cells", "seqlab sweep status cells --json"),
    "runs": (
        "seqlab runs --where cell=gru --sort best",
        "seqlab runs tag latest baseline",
        "seqlab runs rm 'jay_*'",
    ),
    "runs list": ("seqlab runs --where cell=gru --where 'best<20' --sort best",),
    "runs rm": ("seqlab runs rm 3f9a1c", "seqlab runs rm 'try_*' --yes"),
    "runs tag": ("seqlab runs tag latest baseline", "seqlab runs tag latest baseline --remove"),
    "runs note": ("seqlab runs note latest 'with the old corpus'",),
    "compare": ("seqlab compare jay_rnn jay_lstm", "seqlab compare runs/jay_rnn --json"),
    "plot": (
        "seqlab plot jay_rnn jay_lstm",
        "seqlab plot 'jay_*' --metric loss --log y --out curves.png",
    ),
    "serve": ("seqlab serve", "seqlab serve --root ~/songs/runs --port 0"),
    "eval": ("seqlab eval latest --split test", "seqlab eval latest --checkpoint best"),
    "generate": (
        "seqlab generate latest",
        "seqlab generate jay_rnn -p 分开 --temperature 0.7 --num 3",
    ),
    "score": ("seqlab score latest 分开不分开", "seqlab score latest songs.txt --table"),
    "export": (
        "seqlab export latest --to folder",
        "seqlab export jay_gru --to onnx --checkpoint best --out jay_onnx",
    ),
    "validate": (
        "seqlab validate experiments/jay_rnn.yaml",
        "seqlab validate --quick experiments/jay_rnn.yaml experiments/jay_lstm.yaml",
    ),
    "explain": (
        "seqlab explain experiments/jay_rnn.yaml",
        "seqlab explain experiments/jay_rnn.yaml optimizer.lr",
    ),
    "describe": (
        "seqlab describe experiments/jay_rnn.yaml --set cell.hidden_size=512",
        "seqlab describe latest --json",
    ),
    "schema": ("seqlab schema > experiments/schema.json",),
    "plugins": ("seqlab plugins", "seqlab plugins show cell"),
    "plugins show": ("seqlab plugins show cell", "seqlab plugins show cell lstm"),
    "plugins check": ("seqlab plugins check plugins/mine.py", "seqlab plugins check lstm"),
    "plugins new": ("seqlab plugins new cell mine",),
    "plugins disable": ("seqlab plugins disable seqlab-beam",),
    "plugins enable": ("seqlab plugins enable seqlab-beam",),
    "corpus": ("seqlab corpus describe experiments/jay_rnn.yaml", "seqlab corpus cache"),
    "corpus describe": (
        "seqlab corpus describe songs.txt",
        "seqlab corpus describe experiments/jay_rnn.yaml --against latest",
    ),
    "corpus build": ("seqlab corpus build experiments/jay_rnn.yaml",),
    "corpus cache": ("seqlab corpus cache", "seqlab corpus cache --clear"),
    "doctor": ("seqlab doctor", "seqlab doctor latest"),
    "version": ("seqlab version --json",),
    "completion": ("seqlab completion install",),
    "completion install": ("seqlab completion install --shell zsh",),
    "completion uninstall": ("seqlab completion uninstall",),
    "completion show": ("seqlab completion show fish",),
}

VERBS = {verb: text for group in GROUPS.values() for verb, text in group.items()}


def add_examples(command: click.Command, name: str) -> None:
    """End the help of a command, and of those inside it, with examples."""
    if name in EXAMPLES:
        lines = "\n".join(f"  {line}" for line in EXAMPLES[name])
        command.epilog = f"\b\nExamples:\n{lines}"
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            add_examples(inner, f"{name} {inner.name}")
