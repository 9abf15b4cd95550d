"""Fill in the templates, and write all files or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from seqlab import __version__
from seqlab.atomic import atomic_folder, make_folders, write_atomic, write_synced
from seqlab.errors import RunFailed, UsageError
from seqlab.scaffold import examples
from seqlab.scaffold.naming import check_name, class_name, dashed

_TEMPLATES = Path(__file__).parent / "templates"
_PACKAGE = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    ".gitignore": "gitignore",
    ".github/workflows/ci.yml": "ci.yml",
    "experiments/$name.yaml": "experiment.yaml",
    "src/seqlab_$name/__init__.py": "__init__.py",
    "src/seqlab_$name/py.typed": "py.typed",
    "tests/test_$name.py": "test.py",
}


def scaffold(kind: str, name: str, package: bool, into: Path) -> list[Path]:
    """Write a plugin with one component that works as it is.

    Args:
        kind: the kind of the component.
        name: its name in experiments.
        package: write a folder to install and publish, instead of a file to drop in.
        into: the folder for it; made if missing.

    Returns:
        The files that were written.

    Raises:
        UsageError: the kind or the name is refused, or the file or folder exists already.
        RunFailed: the system refuses to write.
    """
    check_name(kind, name)
    source = _read(kind)
    values = {"kind": kind, "name": name, "class_name": class_name(kind, name, source)}
    module = Template(source).substitute(values)
    if not package:
        source = _separate_own_imports(module) if _is_in_checkout(into) else module
        return _write(into, f"{name}.py", {"": source})
    return _write(into, f"seqlab-{dashed(name)}", _package(module, values))


def _package(module: str, values: Mapping[str, str]) -> dict[str, str]:
    """Every file of a package, by its path."""
    kind, name = values["kind"], values["name"]
    values = {
        **values,
        "words": kind.replace("_", " "),
        "experiment": examples.experiment(kind, name),
        "arguments": examples.arguments(kind),
        "dashed": dashed(name),
        "dependencies": examples.dependencies(module, __version__),
        "usage": examples.usage(kind, name),
    }
    files = {
        Template(path).substitute(values): Template(_read(f"package/{template}")).substitute(values)
        for path, template in _PACKAGE.items()
    }
    return files | {f"src/seqlab_{name}/{name}.py": module}


def _read(template: str) -> str:
    name = f"{template}.txt" if "/" in template else f"{template}.py.txt"
    return (_TEMPLATES / name).read_text("utf-8")


def _is_in_checkout(folder: Path) -> bool:
    """Whether a folder is in a checkout of seqlab, where linters take seqlab for first-party."""
    folder = folder.absolute()
    return any((path / "seqlab" / "__init__.py").is_file() for path in (folder, *folder.parents))


def _separate_own_imports(module: str) -> str:
    """Move the imports of seqlab below the others, as is the custom for first-party imports."""
    pattern = re.compile(r"^(?:import|from) .*\n", re.MULTILINE)
    last = list(pattern.finditer(module))[-1].end()
    lines = module[:last].splitlines(keepends=True)
    own = [line for line in lines if re.match(r"(import|from) seqlab\b", line)]
    return "".join([*(line for line in lines if line not in own), "\n", *own, module[last:]])


def _write(into: Path, top: str, files: Mapping[str, str]) -> list[Path]:
    """Write a file (its path is empty) or a folder of files; it appears when it is complete."""
    target = into / top
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: exists already; nothing was written")
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into}: is not a folder")
    try:
        if "" in files:
            make_folders(into)
            write_atomic(target, files[""].encode())
        else:
            with atomic_folder(target) as temporary:
                for path, text in files.items():
                    make_folders((temporary / path).parent)
                    write_synced(temporary / path, text.encode())
    except OSError as error:
        raise RunFailed(f"{target}: cannot be written ({error.strerror})") from None
    return sorted(target / path for path in files)
