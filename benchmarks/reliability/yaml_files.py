"""Damaged experiment files: refused in words and in time, accepted only where they are right."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import seqlab
from benchmarks.reliability.independent import Judge
from benchmarks.reliability.mutants import DAMAGE
from benchmarks.reliability.outcome import Outcome, chance_of, scaled
from seqlab.errors import SeqlabError
from seqlab.registry import resolve
from seqlab.registry.schema import experiment_schema

MUTANTS = 10_000
SECONDS = 1.0  # of processor time
EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
FULL = """
corpus: {name: text, path: [text.txt, "more/*.txt"], encoding: gb18030, newlines: keep,
  max_characters: 1000, holdout: {valid: 0.1, test: 1e-1}, if_unavailable: original_lyrics}
tokenizer: {name: characters, unknown: token, end_of_document: "|"}
sampler: {name: random, batch_size: 4, window: 8, partial: keep}
model: {embedding: 16, dropout: 0.1, tie_weights: true, layers: 2, residual: true, norm: rms}
cell: {name: lstm, hidden_size: 16, num_layers: 2, dropout: .5}
optimizer: {name: adamw, lr: 1e-3, betas: [0.9, 0.99], weight_decay: 0, clip_norm: 1}
schedule: {name: cosine}
train:
  steps: 100
  seed: 0x10
  device: cpu
  precision: bfloat16
  checkpoint: {every: 2 epochs, keep: 3}
  stop: {metric: perplexity, split: valid, patience: 3, min_delta: 0.01}
  max_minutes: 1.5
decoder: greedy
evaluation: {every: 0.5 minutes, rows: 4}
samples: {prefixes: [the, &it 分开], length: 5, at_start: false}
observers: [csv, {name: console, every: 2}]
"""
TOKENS = re.compile(r"\w+(?:[-.+]\w+)*|\s+|[^\w\s]")
WORDS: list[str] = [
    *("null", "~", "true", "no", "yes", "on", "''", '""', "'a''b'", "[]", "{}", "[1,2]", "{a:1}"),
    *("0", "1", "-1", "1.0", "1e-3", "1E3", ".5", "5.", ".inf", "-.inf", ".nan", "0x1F", "0o17"),
    *("017", "1_000", "+1", "1e999", "12345678901234567890", "1:30", "2001-01-01"),
    *"-?:,&*!%@`|>#[]{}",
    *("---", "...", "<<", "!!str", "!!int", "!!float", "!!null", "!!python/object:os.system"),
    *("!!binary", "!!set", "!own", "!<tag:yaml.org,2002:str>", "&a", "*a", "*it", "%YAML"),
    *("extends", "name", "corpus", "cell", "rnn", "lstm", "gru", "adam", "sgd", "muon", "text"),
    *("jay_lyrics", "random", "consecutive", "greedy", "constant", "epochs", "steps", "every"),
    *("keep", "patience", "target", "stop", "lr", "clip_norm", "hidden_size", "window", "cuda"),
    *("cuda:1", "float32", "jay_rnn.yaml", "mutant.yaml", "../.."),
    *('"\\ud800"', '"\\0"', '"\\x41"', *"\u2028\x85\ufeff\x00\x07\x7f\ud7ff"),
]
NUMBERS: list[str] = [
    *("0", "1", "2", "3", "7", "0.5", ".25", "1e-2", "1E-3", "0.999", "1.0", "-1", "0x10", "0o7"),
    *("250", "1e5", "100000"),
]
SECTIONS = (
    "cell: lstm\n", "cell: {name: gru, num_layers: 2}\n", "cell:\n  name: rnn\n",
    "tokenizer: ids\n", "decoder: {name: greedy}\n", "evaluation: {split: test, every: 3}\n",
    "schedule: {name: one_cycle}\n", "schedule: linear\n", "optimizer: sgd\n",
    "optimizer: {name: muon, lr: 0.1}\n", "optimizer: {lr: 1}\n", "corpus: original_lyrics\n",
    "corpus: {name: text, path: ~/x.txt}\n", "corpus: {path: a.txt}\n", "sampler: random\n",
    "model:\n", "samples: null\n", "observers: []\n", "observers: [csv]\n", "train: {steps: 3}\n",
    "train: {epochs: 3, stop: {target: 1.5}}\n", "train: {epochs: 1, steps: null}\n",
)  # fmt: skip
Mutation = Callable[[str, random.Random], str]


def check(share: float) -> Outcome:
    count, chance = scaled(MUTANTS, share), chance_of(0)
    registry = seqlab.load_plugins(local=False)
    judge = Judge(experiment_schema(registry))
    results: Counter[str] = Counter()
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = _originals(folder)
        for number in range(count):
            path = folder / "mutant.yaml"
            path.write_bytes(_mutant(originals[number % len(originals)], chance))
            verdict, fault = _compare(path, registry, judge)
            results[verdict] += 1
            missed += [f"mutant {number}: {fault}; {path.read_bytes()[:1000]!r}"] if fault else []
    return Outcome(
        "damaged experiment files, bombs, depth: read and resolved, against an independent check",
        f"{count:,} mutants: {results['accepted']:,} accepted by both, {results['refused']:,}"
        f" refused by both; other exceptions, disagreements or slow: {len(missed):,}",
        missed,
    )


def _originals(folder: Path) -> list[str]:
    """The shipped experiments, where what they extend can be found, and one with everything."""
    for path in EXPERIMENTS.glob("*.yaml"):
        shutil.copy(path, folder)
    texts = [path.read_text("utf-8") for path in sorted(folder.glob("*.yaml"))]
    return [*(re.sub(r"(?m)^#.*\n", "", text) for text in texts), FULL, FULL]


def _compare(path: Path, registry: seqlab.Registry, judge: Judge) -> tuple[str, str]:
    """What seqlab says of a file, and what is wrong with that."""
    refusal = judge.refusal(path)
    begun = time.process_time()
    try:
        resolve(seqlab.read_experiment(path), registry)
        found = ""
    except SeqlabError as error:
        found = str(error)
    except Exception as error:
        return "raised", f"{type(error).__name__}: {error}"
    seconds = time.process_time() - begun
    if seconds > SECONDS:
        return "slow", f"{seconds:.1f} s"
    if bool(found) != bool(refusal):
        return "disagreed", f"seqlab says {found[:200]!r}, the independent check {refusal[:200]!r}"
    return "refused" if found else "accepted", ""


# -- mutations


def _mutant(text: str, chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return chance.choice(DAMAGE)(text.encode(), chance)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(MUTATIONS)(text, chance)
    return text.encode("utf-8", "surrogatepass")


def _tokens(text: str) -> list[str]:
    return TOKENS.findall(text) or [" "]


def _replaced(text: str, chance: random.Random) -> str:
    tokens = _tokens(text)
    tokens[chance.randrange(len(tokens))] = chance.choice(WORDS)
    return "".join(tokens)


def _other_value(text: str, chance: random.Random) -> str:
    """Give one key another value."""
    places = list(re.finditer(r"(?<=: )[\w.+-]+", text))
    if not places:
        return text
    place = chance.choice(places)
    return text[: place.start()] + chance.choice(WORDS) + text[place.end() :]


def _other_number(text: str, chance: random.Random) -> str:
    """Give one number another value that may be right too."""
    places = list(re.finditer(r"(?<=[ \[])[0-9.]+(?:e-?[0-9]+)?(?=[,}\]\n])", text))
    if not places:
        return text
    place = chance.choice(places)
    return text[: place.start()] + chance.choice(NUMBERS) + text[place.end() :]


def _harmless(text: str, chance: random.Random) -> str:
    """A change that means nothing in YAML: a comment, quotes, an empty line, a Windows line end."""
    change = chance.randrange(5)
    if change == 0:
        return text.replace("\n", "\r\n")
    if change == 1:
        return re.sub(r"(?<=: )(adamw?|lstm|gru|greedy|characters|text)\b", r"'\1'", text)
    lines = text.splitlines()
    place = chance.randrange(len(lines))
    lines[place] += (" # 分开 ", "   ", "\n\n#\n")[change - 2]
    return "\n".join(lines)


def _section_changed(text: str, chance: random.Random) -> str:
    """Leave out a section that stands in one line, or put another in its place."""
    places = list(re.finditer(r"(?m)^[a-z]+: .*\n", text))
    if not places:
        return text
    place = chance.choice(places)
    section: str = chance.choice(("", *SECTIONS))
    return text[: place.start()] + section + text[place.end() :]


def _removed(text: str, chance: random.Random) -> str:
    tokens = _tokens(text)
    del tokens[chance.randrange(len(tokens))]
    return "".join(tokens)


def _swapped(text: str, chance: random.Random) -> str:
    tokens = _tokens(text)
    one, other = (chance.randrange(len(tokens)) for _ in range(2))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return "".join(tokens)


def _inserted(text: str, chance: random.Random) -> str:
    tokens = _tokens(text)
    tokens.insert(chance.randrange(len(tokens) + 1), chance.choice((*WORDS, "\t", "\r", "\n", " ")))
    return "".join(tokens)


def _line_moved(text: str, chance: random.Random) -> str:
    """Drop, double, indent or move a line."""
    lines = text.splitlines(keepends=True) or [text]
    place = chance.randrange(len(lines))
    line = lines.pop(place)
    change = chance.choice(("", line * 2, " " + line, "\t" + line, line))
    lines.insert(chance.randrange(len(lines) + 1) if change is line else place, change)
    return "".join(lines)


def _deep(text: str, chance: random.Random) -> str:
    """A value that is nested up to a hundred thousand times."""
    depth = int(10 ** chance.uniform(0, 5))
    opening, closing = chance.choice((("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("[", "")))
    return f"{text}\nmore: {opening * depth}1{closing * depth}\n"


def _bomb(text: str, chance: random.Random) -> str:
    """Aliases of aliases: a few lines that stand for billions of values, or contain themselves."""
    width, height = chance.randint(2, 10), chance.randint(2, 30)
    lines = ["a0: &a0 [x]", *(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, height)
    )]  # fmt: skip
    own = chance.choice(("", "me: &me [*me]\n"))
    return f"{own}{chr(10).join(lines)}\n{text}"


def _large(text: str, chance: random.Random) -> str:
    """Much of something: keys, digits, characters."""
    size = int(10 ** chance.uniform(2, 6.1))
    much = chance.choice((
        f"more: {'9' * size}",
        f"more: {'x' * size}",
        f"more: [{'1,' * (size // 10)}]",
        "\n".join(f"key{i}: 1" for i in range(size // 100)),
        f"{'[' * (size // 10)}",
    ))  # fmt: skip
    return f"{text}\n{much}\n"


MUTATIONS: tuple[Mutation, ...] = (
    *(_replaced, _other_value, _other_value, _other_value, _removed, _swapped, _inserted),
    *(_line_moved, _deep, _bomb, _large),
    *(_other_number, _harmless, _section_changed) * 4,
)
