"""Every benchmark by one command: prints its table, and writes it down with a JSON beside it.

python -m benchmarks [NAME …] [--into DIR] [-- OPTION …]

Without a name all of them run, which takes hours; `--list` says what there is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = {
    "reproduction": "the textbook's results with its own settings",
    "pictures": "the pictures of README and docs, as they are measured",
    "timings": "an epoch, the command's start, a first run",
    "quick_verbs": "the verbs that only describe and check, cold and warm",
    "first_line": "the first line on a terminal, and the longest silence after it",
    "steps": "training steps against the reference's loop and the machine's limits",
    "parts": "what the parts of a step take alone",
    "thresholds": "the tuned numbers, and others above and below them",
    "what_pays": "each fast path with and without, in a whole step",
    "scaling": "training steps against corpus, window and vocabulary; memory",
    "lyrics": "seconds until the lyrics are known by heart",
    "shakespeare": "Tiny Shakespeare against nanoGPT's recipe for a CPU",
    "packing": "short documents packed into rows",
    "generation": "greedy decoding against the reference's loop",
    "encoding": "characters to token ids",
    "stores": "token stores of 2 GB: memory, opening, cold reads",
    "windows": "windows of matrix memories against their steps",
    "large_vocabulary": "heads of 250,000 tokens against the full softmax",
    "word_language_model": "PyTorch's example from the same weights: losses, curves, time",
    "regularised": "AWD-LSTM against a plain LSTM, tuned alike, and without each of its parts",
    "arena": "the arena's tables, from the runs of its sweeps",
    "recall": "associative recall by attention and by an RNN",
    "authoring": "lines of a cell, planted defects, seconds of the kit",
    "scaffold": "new packages in fresh environments",
    "installs": "pip and uv on every interpreter at hand, sizes",
    "fsdp": "two processes with a share of the parameters each: loss and memory",
    "reliability": "resume, kills, faults, mutants",
    "web": "the page of seqlab serve: many runs, many browsers, hostile input",
    "sweeps": "sweeps: kills, a lost journal, a shared database, the cost of a trial",
    "distributed": "runs on several processes: equal bits, failures, the exchange",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--into", type=Path, default=HERE / "results", metavar="DIR")
    parser.add_argument("--list", action="store_true")
    own, _, passed_on = _split(sys.argv[1:])
    options = parser.parse_args(own)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {sorted(unknown)[0]!r}; there are {', '.join(BENCHMARKS)}")
    if options.list:
        print("\n".join(f"{name:14}{what}" for name, what in BENCHMARKS.items()))
        return
    codes = [_run(name, passed_on, options.into) for name in options.names or BENCHMARKS]
    sys.exit(max(codes))


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:end], "--", arguments[end + 1 :]


def _run(name: str, options: list[str], into: Path) -> int:
    """Run one in a process of its own; return its exit code."""
    assert find_spec(f"benchmarks.{name}")
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}", *options]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    into.mkdir(parents=True, exist_ok=True)
    (into / f"{name}.md").write_text("".join(lines), "utf-8")
    facts = {"machine": lines[0].strip() if lines else "", "rows": list(_rows(lines))}
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    (into / f"{name}.json").write_text(f"{text}\n", "utf-8")
    return process.returncode


def _rows(lines: list[str]) -> Iterator[dict[str, str]]:
    """The rows of all Markdown tables, by the names of their columns."""
    columns: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = cells
        elif not all(set(cell) <= {"-", ":"} for cell in cells):
            yield dict(zip(columns, cells, strict=False))


if __name__ == "__main__":
    main()
