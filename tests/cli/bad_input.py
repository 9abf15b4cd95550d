"""Rows of a table: what a command is given, its exit code, and a word that it says.

A row is `(arguments, code, word)`. The working folder has what `lay_out` puts there.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = tuple[tuple[str, ...], int, str]

FILES: dict[str, tuple[bytes, str]] = {
    "empty.yaml": (b"", "is empty"),
    "binary.yaml": (b"\xff\xfe\x00\x01", "is not UTF-8"),
    "list.yaml": (b"[1, 2]", "is not a mapping"),
    "text.yaml": (b"just words", "is not a mapping"),
    "deep.yaml": (b"a: " + b"[" * 3000 + b"]" * 3000, "nests deeper"),
    "large.yaml": (b"# " + b"x" * (1 << 21), "is larger"),
    "twice.yaml": (b"train: {}\ntrain: {}\n", "is given twice"),
    "tagged.yaml": (b"train: !!python/object:os.system {}\n", "tag"),
    "tab.yaml": (b"train:\n\tsteps: 1\n", "tab"),
    "open.yaml": (b"train: {steps: 1\n", ":"),
    "itself.yaml": (b"train: &a [*a]\n", "contains itself"),
    "section.yaml": (b"trian: {steps: 1}\n", "did you mean 'train'"),
    "number.yaml": (b"train: {steps: " + b"9" * 5000 + b"}\n", "digits"),
    "circle.yaml": (b"extends: circle.yaml\ntrain: {}\n", "circle"),
    "base.yaml": (b"extends: nowhere.yaml\n", "nowhere.yaml"),
}
ODD = ["a\nb.yaml", "a\tb.yaml", "\x1b[31m.yaml", "\u202egnp.yaml", "٣.yaml", "x" * 300, "y" * 5000]
ODD.append(os.fsdecode(b"\xff\xfe.yaml"))
SETTINGS: dict[str, str] = {
    "train.steps=٣": "train.steps",
    "train.steps=-1": "train.steps",
    "train.steps=true": "train.steps",
    "train.steps=1.5": "train.steps",
    f"train.steps={'9' * 400}": "train.steps",
    f"train.steps={'9' * 5000}": "digits",
    "train.seed=-1": "train.seed",
    "train.seed=9223372036854775808": "train.seed",
    "train.device=cuda:٣": "train.device",
    "train.max_minutes=.inf": "train.max_minutes",
    "train.stop={target: .nan}": "train.stop",
    "train.checkpoint.every=² steps": "train.checkpoint",
    "optimizer.lr=.nan": "optimizer.lr",
    "optimizer.lr=.inf": "optimizer.lr",
    "optimizer.lr=fast": "optimizer.lr",
    "optimizer.lr=": "optimizer.lr",
    "optimizer.clip_norm=0": "optimizer.clip_norm",
    "cell=nosuch": "unknown cell 'nosuch'",
    "cell=LSTM": "did you mean",
    "cell=[lstm]": "cell",
    "cell.hidden_size=0": "cell.hidden_size",
    "cell.hidden_size=1e12": "cell.hidden_size",
    "cell.hiden_size=8": "did you mean 'hidden_size'",
    "cell.dropout=0.5": "dropout",
    "model.layers=1000000000": "model.layers",
    "model.tie_weights=true": "tie_weights",
    "observers=[csv, csv]": "listed before",
    "observers=csv": "observers",
    "sampler.window=0": "sampler.window",
    "schedule={name: cosine, warmup: 99999}": "warmup",
    "samples={prefixes: []}": "",
    "evaluation={every: 0}": "evaluation.every",
    "evaluation={split: test}": "evaluation.split",
    "nosuch.key=1": "unknown section",
    "=1": "KEY=VALUE",
    "cell": "KEY=VALUE",
    "cell=[": "not YAML",
    "cell.a.b.c=1": "cell.a",
}
ACCEPTED = {"samples={prefixes: []}"}
RUN_JSON = ["", "[]", '{"format": 1}', '{"format": 2}', "[" * 9999, '{"name": NaN}', "\x00"]
NO_RUN = ["nosuch", "", "\x1b[31m", "a\nb", "x" * 300, "y" * 5000, "plain", "t.txt", "../nosuch"]
COUNTS = ["0", "-1", "1.5", "nan", "inf", "٣", "²", "9" * 400, "9" * 5000, "", "true"]
ON_A_RUN = {"generate": ["--prefix", "the"], "eval": [], "resume": [], "compare": [], "doctor": []}


def lay_out(run: Path) -> None:
    """Put everything that rows speak of into the working folder."""
    for name, (content, _) in FILES.items():
        Path(name).write_bytes(content)
    Path("plain").mkdir()
    Path("t.txt").write_text("the quick brown fox. " * 40)
    Path("bad.txt").write_bytes(b"\xff\xfe\xfd" * 9)
    Path("none.txt").touch()
    Path("cut.txt.gz").write_bytes(gzip.compress(b"the quick" * 99)[:-9])
    Path("no.zip").write_bytes(b"PK\x03\x04 and no more")
    Path("no.parquet").write_bytes(b"PAR1 and no more")
    Path("array.jsonl").write_text('[\n{"text": "a"},\n{"text": \n')
    Path("field.jsonl").write_text('{"body": "a"}\n')
    Path("odd.bin").write_bytes(b"\x01\x02\x03")
    for number, content in enumerate(RUN_JSON):
        shutil.copytree(run, f"damaged{number}")
        Path(f"damaged{number}/run.json").write_text(content)
    for name in ("good", "unsaved", "rowless"):
        shutil.copytree(run, name)
    shutil.rmtree("unsaved/checkpoints")
    Path("rowless/metrics.jsonl").write_text("true\n")


def rows() -> Iterator[Row]:
    yield from _experiments()
    yield from _runs()
    yield from _options()
    yield from _others()


def _experiments() -> Iterator[Row]:
    verbs = (("validate",), ("run",), ("explain",), ("corpus", "build"), ("corpus", "describe"))
    for verb, (name, (_, word)) in product(verbs, FILES.items()):
        yield (*verb, name), 2, word
    for verb, name in product(verbs[:4], [*ODD, "missing.yaml", "plain", ""]):
        is_text = verb[0] == "corpus" and name in ("plain", "x" * 300, "y" * 5000)
        yield (*verb, name), 4 if is_text else 2, ""
    for verb, (setting, word) in product(("validate", "run"), SETTINGS.items()):
        if setting not in ACCEPTED:
            yield (verb, "good.yaml", "--set", setting), 2, word


def _runs() -> Iterator[Row]:
    for (verb, more), name in product(ON_A_RUN.items(), NO_RUN):
        yield (verb, name, *more), 2, ""
    for (verb, more), number in product(ON_A_RUN.items(), range(len(RUN_JSON))):
        yield (verb, f"damaged{number}", *more), 4, "" if verb == "doctor" else "is damaged"
    for verb, word in {"generate": "has no checkpoint", "doctor": "", "eval": "has no"}.items():
        yield (verb, "unsaved", *ON_A_RUN[verb]), 4, word
    yield ("compare", "rowless"), 4, "is damaged"
    yield ("compare", "good", "--json", "--csv"), 2, "--csv and --json exclude each other"


def _options() -> Iterator[Row]:
    for option, count in product(("--length", "--num", "--checkpoint"), COUNTS):
        if (option, count) != ("--checkpoint", "0"):
            yield ("generate", "good", "--prefix", "the", option, count), 2, option
    for option, count in product(("--rows", "--batch-size", "--window"), COUNTS):
        yield ("eval", "good", option, count), 2, option
    for count in COUNTS:
        yield ("run", "good.yaml", "--seeds", count), 2, "--seeds"
    generate = ("generate", "good", "--prefix")
    yield (*generate, ""), 2, "empty"
    yield (*generate, "分开"), 2, "分"
    yield (*generate, "the", "--checkpoint", "999"), 4, "999"
    yield (*generate, "the", "--checkpoint", "first"), 2, "first"
    yield (*generate, "the", "--seed", "-1"), 2, "--seed"
    yield (*generate, "the", "--stop", ""), 2, "stop"
    yield (*generate, "the", "--stop-token", "1000000"), 2, "1000000"
    yield (*generate, "the", "--set", "cell=lstm"), 2, "decoder"
    yield (*generate, "the", "--set", "decoder=nosuch"), 2, "nosuch"
    yield (*generate, "the", "--set", "decoder.temperature=0"), 2, "greedy"
    yield (*generate, "the", "--set", "decoder.temperature=.nan"), 2, "temperature"
    yield (*generate, "the", "--stream", "--json"), 2, "choose one"
    for name in ("missing", "plain", "bad.txt", "none.txt"):
        yield ("generate", "good", "--prefixes-file", name), 2, name
    yield ("generate", "good"), 2, "no prefix"
    yield ("eval", "good", "--split", "nosuch"), 4, "nosuch"
    yield ("resume", "good", "--set", "cell=lstm"), 2, "keeps its settings"
    yield ("resume", "good", "--checkpoint", "77"), 4, "77"
    yield ("resume", "good"), 2, "has all of its"


def _others() -> Iterator[Row]:
    for name in ("none.txt", "bad.txt", "cut.txt.gz", "no.zip", "no.parquet", "array.jsonl"):
        yield ("corpus", "describe", name), 4, name
    yield ("corpus", "describe", "field.jsonl"), 4, "no field 'text'"
    yield ("corpus", "describe", "missing.txt"), 4, "there is no such file"
    yield ("corpus", "describe", "plain"), 4, "no file in it matches"
    yield ("corpus", "describe", "t.txt", "--split", "valid"), 4, "has no split 'valid'"
    yield ("corpus", "describe", "t.txt", "--set", "tokenizer=nosuch"), 2, "nosuch"
    yield ("corpus", "describe", "t.txt", "--against", "nosuch"), 2, "nosuch"
    for verb in ("runs", "schema", "doctor", "plugins", "compare", "init", "nosuch"):
        yield (verb, "--nosuch"), 2, ""
    yield ("plugins", "show", "cell", "nosuch"), 2, ""
    yield ("plugins", "check", "nosuch"), 2, "nosuch"
    yield ("plugins", "check", "missing.py"), 2, "missing.py"
    yield ("plugins", "new", "nosuch", "x"), 2, ""
    yield ("plugins", "--plugins", "missing"), 2, "missing"
    yield ("plugins", "--no-plugin", "nosuch"), 2, "nosuch"
    yield ("validate",), 2, ""
    yield ("init", "t.txt"), 2, "is not a folder"
    yield ("run", "good.yaml", "--run-dir", "good"), 2, "already holds a run"
    yield ("run", "good.yaml", "--run-dir", "plain", "--seeds", "2"), 2, "--run-dir"
    yield ("run", "good.yaml", "--resume", "yes"), 2, "--resume"
