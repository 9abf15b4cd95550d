"""Run a task with a component in a new process, where nothing has been imported or changed yet.

`python -m seqlab.testing.other_process` reads one job as JSON and prints its result as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from seqlab.testing.promises import NotApplicable, Subject

TIMEOUT = 600  # seconds; a loaded machine needs a minute for importing torch


def run_elsewhere(task: str, factory: Callable[..., Any], **job: Any) -> Any:
    """Run a task of this module in a new process that hashes texts with another seed.

    Raises:
        NotApplicable: the factory is not at the top of a file, so another process cannot find it;
            or the process gave no answer in time.
        RuntimeError: the process failed.
    """
    return _run({"task": task, "path": sys.path, **_location(factory), **job})


def effects_of_import(factory: Callable[..., Any]) -> tuple[str, ...]:
    """What importing the module of a factory prints or changes, looked up once for each file.

    Raises:
        NotApplicable, RuntimeError: as `run_elsewhere` does.
    """
    location = _location(factory)
    del location["qualname"]
    file = Path(location["file"])
    changed = file.stat().st_mtime_ns if file.exists() else 0  # a module may lie in a zip
    return _effects_of_import(tuple(location.items()), tuple(sys.path), changed)


@cache
def _effects_of_import(
    location: tuple[tuple[str, str], ...],
    path: tuple[str, ...],
    changed: int,  # noqa: ARG001 # part of the key
) -> tuple[str, ...]:
    return tuple(_run({"task": "import", "path": path, **dict(location)}))


def _run(job: Mapping[str, Any]) -> Any:
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "seqlab.testing.other_process"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    except subprocess.TimeoutExpired:  # it says more of the machine than of the component
        raise NotApplicable(f"another process gave no answer in {TIMEOUT} seconds") from None
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _location(factory: Callable[..., Any]) -> dict[str, Any]:
    """Where another process finds a factory: a module, its file, a name in it."""
    qualname = getattr(factory, "__qualname__", "")
    module = sys.modules.get(getattr(factory, "__module__", ""))
    file = getattr(module, "__file__", None)
    if not qualname or "<" in qualname or module is None or file is None:
        raise NotApplicable("it is not defined at the top of a file, where a new process finds it")
    return {"module": module.__name__, "file": file, "qualname": qualname}


def _import(job: Mapping[str, Any]) -> ModuleType:
    """Import the module of a job, a dropped-in file by its path."""
    name = "planted" if job["module"] == "__main__" else job["module"]
    if not name.startswith(("seqlab_dropped_in_", "planted")):
        return import_module(name)
    spec = spec_from_file_location(name, job["file"])
    assert spec is not None  # noqa: S101 # it was imported before
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def import_and_compare(job: Mapping[str, Any]) -> list[str]:
    """What importing the module of a job prints or changes."""
    from seqlab.testing.process_state import changes, global_state

    before = global_state()
    with _CapturedOutput() as output:
        _import(job)
    printed = [f"it printed {output.text!r}"] if output.text else []
    return [*printed, *changes(before, global_state())]


def _build(kind: str, job: Mapping[str, Any]) -> Any:
    module: Any = _import(job)
    factory = reduce(getattr, job["qualname"].split("."), module)
    return Subject.of(kind, factory, job["options"]).build()


def fit_and_encode(tokenizer: Any, texts: Sequence[str]) -> dict[str, Any]:
    """The size of a tokenizer that is fitted to texts, and the ids of these."""
    tokenizer.fit(texts)
    ids = [[int(token) for token in tokenizer.encode(text)] for text in texts]
    return {"size": tokenizer.size, "ids": ids}


def fingerprint_and_digest(corpus: Any) -> dict[str, str]:
    """The fingerprint of a corpus, and a hash of its documents."""
    from seqlab.testing.corpus_digest import content

    return {"fingerprint": corpus.fingerprint(), "documents": content(corpus).sha256}


class _CapturedOutput:
    """Everything that is written to stdout and stderr inside the block, by any code at all."""

    text = ""

    def __enter__(self) -> _CapturedOutput:
        self._file = tempfile.TemporaryFile("w+b")
        self._kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(self._file.fileno(), number)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, kept in zip((1, 2), self._kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)
        self._file.seek(0)
        self.text = self._file.read().decode("utf-8", "replace").strip()[:200]
        self._file.close()


TASKS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "import": import_and_compare,
    "encode": lambda job: fit_and_encode(_build("tokenizer", job), job["texts"]),
    "read": lambda job: fingerprint_and_digest(_build("corpus", job)),
}


def main() -> None:
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]
    sys.stdout.write(json.dumps(TASKS[job["task"]](job)) + "\n")


if __name__ == "__main__":
    main()
