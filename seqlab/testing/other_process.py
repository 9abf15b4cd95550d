"""Look at a component in a process of its own, where nothing has been imported or changed yet.

`python -m seqlab.testing.other_process` reads one job as JSON and prints the answer as JSON.
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
from typing import Any

from seqlab.testing.promises import NotApplicable, Subject

_SECONDS = 600  # a loaded machine needs a minute for importing torch


def ask(task: str, factory: Callable[..., Any], **job: Any) -> Any:
    """Have a function of this module called in a new process, with the module of a factory.

    Python hashes texts with another seed there.

    Raises:
        NotApplicable: the factory is not at the top of a file, so another process cannot find it;
            or the process gave no answer in time.
        RuntimeError: the process failed.
    """
    return _answered({"task": task, "path": sys.path, **_place(factory), **job})


def ask_of_import(factory: Callable[..., Any]) -> tuple[str, ...]:
    """Return what importing the module of a factory printed or changed, asked once a file.

    Raises:
        NotApplicable, RuntimeError: as `ask` does.
    """
    place = _place(factory)
    del place["qualname"]
    file = Path(place["file"])
    changed = file.stat().st_mtime_ns if file.exists() else 0  # a module may lie in a zip
    return _of_import(tuple(place.items()), tuple(sys.path), changed)


@cache
def _of_import(
    place: tuple[tuple[str, str], ...],
    path: tuple[str, ...],
    changed: int,  # noqa: ARG001 # part of the key
) -> tuple[str, ...]:
    return tuple(_answered({"task": "imports", "path": path, **dict(place)}))


def _answered(whole: Mapping[str, Any]) -> Any:
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "seqlab.testing.other_process"],
            input=json.dumps(whole),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    except subprocess.TimeoutExpired:  # it says more of the machine than of the component
        raise NotApplicable(f"another process gave no answer in {_SECONDS} seconds") from None
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _place(factory: Callable[..., Any]) -> dict[str, Any]:
    """Where another process finds a factory: a module, its file, a name in it."""
    qualname = getattr(factory, "__qualname__", "")
    module = sys.modules.get(getattr(factory, "__module__", ""))
    file = getattr(module, "__file__", None)
    if not qualname or "<" in qualname or module is None or file is None:
        raise NotApplicable("it is not defined at the top of a file, where a new process finds it")
    return {"module": module.__name__, "file": file, "qualname": qualname}


def imported(job: Mapping[str, Any]) -> Any:
    """Import the module that a job names: dropped-in files by their place."""
    name = "planted" if job["module"] == "__main__" else job["module"]
    if name.startswith(("seqlab_dropped_in_", "planted")):
        spec = spec_from_file_location(name, job["file"])
        assert spec is not None  # noqa: S101 # it was imported before
        assert spec.loader is not None  # noqa: S101
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    return import_module(name)


def imports(job: Mapping[str, Any]) -> list[str]:
    """What importing the module printed or changed."""
    from seqlab.testing.process_state import changes, surroundings

    before = surroundings()
    with _Printed() as printed:
        imported(job)
    said = [f"it printed {printed.text()!r}"] if printed.text() else []
    return [*said, *changes(before, surroundings())]


def encodes(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a tokenizer, fitted to texts, makes of them."""
    factory = reduce(getattr, job["qualname"].split("."), imported(job))
    return encoded(Subject.of("tokenizer", factory, job["options"]).build(), job["texts"])


def encoded(tokenizer: Any, texts: Sequence[str]) -> dict[str, Any]:
    """Fit a tokenizer to texts, and encode them."""
    tokenizer.fit(texts)
    ids = [[int(token) for token in tokenizer.encode(text)] for text in texts]
    return {"size": tokenizer.size, "ids": ids}


def reads(job: Mapping[str, Any]) -> dict[str, str]:
    """What a corpus is known by, and what it gives."""
    from seqlab.testing.corpus_digest import content

    factory = reduce(getattr, job["qualname"].split("."), imported(job))
    corpus = Subject.of("corpus", factory, job["options"]).build()
    return {"fingerprint": corpus.fingerprint(), "documents": content(corpus).sha256}


class _Printed:
    """Everything that is written to stdout and stderr inside the block, by any code at all."""

    def __enter__(self) -> _Printed:
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
        self._text = self._file.read().decode("utf-8", "replace")
        self._file.close()

    def text(self) -> str:
        return self._text.strip()[:200]


def main() -> None:
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]
    answer = {"imports": imports, "encodes": encodes, "reads": reads}[job["task"]](job)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
