"""A run in a row of the table, from `run.json`; of a run that goes on, from the end of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from seqlab.errors import SeqlabError
from seqlab.printable import cell
from seqlab.runs.file_schemas import MetricsRow, parse
from seqlab.runs.folder import RunFolder
from seqlab.runs.notes import read_notes
from seqlab.runs.reached import Reached, best_of
from seqlab.runs.settings import flatten, run_settings
from seqlab.web.lines import Lines

Row: TypeAlias = dict[str, Any]

TAIL = 1 << 16  # bytes


def summary(folder: RunFolder) -> tuple[Row, dict[str, Any]]:
    """Return the row of a run, and its settings by dotted key; `problem` says what is damaged."""
    row: Row = {"name": cell(folder.path.parent.name), "status": "damaged"}
    try:
        description = folder.description()
        row |= _described(description)
        notes = read_notes(folder)
        row |= {"tags": ", ".join(notes.tags), "note": cell(notes.note)}
        if "reached" in description:
            row |= numbers(description["reached"])
        elif description["status"] != "running":  # it ended before `run.json` had them
            row |= unfinished(folder)
        return row, flatten(run_settings(folder, description))
    except SeqlabError as error:
        return row | {"status": "damaged", "problem": cell(str(error))}, {}


def _described(description: Mapping[str, Any]) -> Row:
    return {
        "status": description["status"],
        "started": cell(description["started"][:16].replace("T", " ")),
        "name": cell(description["name"]),
        "step": description["step"],
        "total": description["total_steps"],
        "corpus": cell(description["corpus"]["name"]),
        "doubt": cell(description.get("doubt") or ""),
    }


def finished(row: Row) -> Row:
    """Return a row with what follows from the rest: `progress`, a `title`, and `hints`."""
    step, total = row.get("step"), row.get("total")
    hints = {
        "name": "\n".join(row[key] for key in ("folder", "note", "doubt") if row.get(key)),
        "status": row.get("problem") or row["status"],
        "progress": f"step {step} of {total}",
    }
    if metric := row.get("metric"):
        hints |= dict.fromkeys(("best", "last"), f"{row['split']} {metric}")
    return row | {
        "title": f"{row['name']} {row.get('differs') or row['folder']}",
        "progress": min(step / total, 1.0) if step and total else 0.0,
        "hints": hints,
    }


def numbers(reached: Mapping[str, Any]) -> Row:
    """Return best and last number of the split that counts, and the speed of training."""
    found = best_of(reached)
    if found is None:
        return {}
    split, best = found
    last, training = reached[split]["last"], reached.get("train", {}).get("last", {})
    is_perplexity = best["perplexity"] is not None and last["perplexity"] is not None
    metric = "perplexity" if is_perplexity else "loss"
    return {
        "split": split,
        "metric": metric,
        "best": best[metric],
        "last": last[metric],
        "speed": training.get("tokens_per_second"),
    }


def unfinished(folder: RunFolder) -> Row:
    """Return what the last rows of a run say: how far it is, and the best of them.

    `partly`: there are rows before these.
    """
    lines = Lines(folder.metrics, TAIL)
    try:
        rows = [parse(MetricsRow, line, str(folder.metrics)) for line in lines.read().lines]
        partly = folder.metrics.lstat().st_size > TAIL
    except (SeqlabError, OSError) as error:
        return {"problem": cell(str(error))}
    if not rows:
        return {}
    return numbers(Reached(rows).as_json()) | {"step": rows[-1]["step"], "partly": partly}
