"""What the cache knows of plugins: word for word what they say, and no longer than they say it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic_core import ValidationError

import seqlab
from seqlab.cache_folder import cache_folder
from seqlab.cli.plugins import _component_json
from seqlab.registry import resolve, source_states
from seqlab.registry.explanation import explain
from seqlab.registry.kept_conditions import Conditions
from seqlab.registry.kept_entries import write_entry
from seqlab.registry.kept_options import StandIn
from seqlab.registry.kept_plugins import know_plugins
from seqlab.registry.schema import experiment_schema

EXPERIMENTS = sorted((Path(__file__).resolve().parents[2] / "experiments").glob("*.yaml"))
VALUES = [
    *(None, True, 0, 1, -1, 0.5, 1e400, 10**30, "x", "", "gru", "\ud800", [], {}, [None], ["gru"]),
    *({"name": "gru"}, {"name": 1}, [{"repeat": 2, "layers": ["gru"]}], [{"repeat": 0}], {"a": 1}),
]
CELL = """
    import seqlab
    from typing import Literal
    from torch import nn

    class Mine(nn.Module):
        '''A cell.'''

        def __init__(self, input_size: int, *, size: int = 4, how: Literal["a", "b"] = "a"):
            pass

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"mine": Mine}
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Everything that is installed, as the cache knows it."""
    with pytest.MonkeyPatch.context() as own:
        own.setenv("SEQLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        know_plugins(local=False)
        registry = know_plugins(local=False)
    assert all(isinstance(c.factory, StandIn) for p in registry.plugins for c in p.components)
    return registry


def _outcome(option, value):
    try:
        checked = option.check(value)
    except ValidationError as error:
        return str(error.errors(include_url=False, include_context=False, include_input=False))
    return repr(checked)


def _components(registry):
    return [component for plugin in registry.plugins for component in plugin.components]


def _origins(registry):
    """The plugins and their components, as the cache or an import gave them."""
    return [p.name for p in registry.plugins if isinstance(p.components[0].factory, StandIn)]


def test_every_component_is_described_in_the_same_words(registry, known):
    said, kept = (list(map(_component_json, _components(r))) for r in (registry, known))
    assert kept == said
    assert experiment_schema(known) == experiment_schema(registry)


def test_every_option_takes_and_refuses_the_same_values_in_the_same_words(registry, known):
    differing = [
        (str(real), name, value)
        for real, kept in zip(_components(registry), _components(known), strict=True)
        for name, option in real.signature.options.items()
        for value in VALUES
        if _outcome(option, value) != _outcome(kept.signature.options[name], value)
    ]
    assert differing == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_is_explained_in_the_same_words(registry, known, path):
    experiment = seqlab.read_experiment(path)
    said, kept = (explain(experiment, resolve(experiment, r), r) for r in (registry, known))
    assert kept == said


def test_what_is_known_cannot_be_called(known):
    with pytest.raises(TypeError, match="cell 'lstm' of plugin 'seqlab-cells' was not imported"):
        known.find("cell", "lstm").factory(8, hidden_size=4)


# -- a plugin that changes


@pytest.fixture
def know(registry):
    """What is dropped in, as it is known now."""
    others = [plugin.name for plugin in registry.plugins]
    return lambda: know_plugins(without=others)


def test_a_changed_file_is_seen_at_once(drop, know):
    drop(CELL)
    know()
    assert _origins(know()) == ["dropped"]
    drop(CELL.replace("size: int = 4", "size: int = 5"))
    assert know().find("cell", "mine").signature.options["size"].default == 5
    assert _origins(know()) == ["dropped"]
    Path("plugins/dropped.py").unlink()
    assert know().plugins == ()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package, and whether what was kept about it still holds."""
    folder = tmp_path / "site" / "my_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("import nobody_has_this\n")
    monkeypatch.syspath_prepend(folder.parent)
    write_entry(Conditions().present("it", ["my_package"]))

    def holds():
        return Conditions().kept("it") is not None

    assert holds()
    return folder, holds


@pytest.mark.parametrize("racy", [0.0, 1e9])
def test_a_package_that_changes_without_a_trace_in_its_size_is_seen(package, monkeypatch, racy):
    monkeypatch.setattr(source_states, "RACY", racy)
    folder, holds = package
    file = folder / "__init__.py"
    before = file.stat()
    file.write_text("import nobody_has_that\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert not holds()


def test_a_file_that_comes_or_goes_is_seen_and_one_that_is_touched_is_not(package):
    folder, holds = package
    (folder / "__init__.py").touch()
    assert holds()
    (folder / "more.py").touch()
    assert not holds()
    (folder / "more.py").unlink()
    assert holds()
    (folder / "__init__.py").unlink()
    assert not holds()


def test_a_library_that_was_missing_is_seen_when_it_comes(package):
    folder, holds = package
    (folder.parent / "nobody_has_this.py").touch()
    assert not holds()


def test_files_that_python_makes_itself_change_nothing(package):
    folder, holds = package
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"x")
    assert holds()


def test_what_is_installed_or_removed_makes_all_be_looked_at_anew(package, install):
    _, holds = package
    install("another", "", group="nobody")
    assert not holds()


# -- what is not kept


def test_a_plugin_that_fails_is_told_each_time(drop, know):
    drop("import nobody_has_this")
    for _ in range(3):
        (problem,) = know().problems()
        assert "cannot be imported: ModuleNotFoundError" in problem


def test_a_plugin_that_declares_kinds_is_imported_each_time(drop, know):
    drop(
        """
        import seqlab

        @seqlab.hookimpl
        def seqlab_register_kinds():
            return [seqlab.Kind("reward", "rewards", "how good it is")]
        """
    )
    for _ in range(2):
        assert "reward" in know().kinds


def test_a_default_that_json_cannot_hold_is_not_kept(drop, know):
    drop(
        CELL.replace("from torch", "from decimal import Decimal\n    from torch").replace(
            "size: int = 4", "size: Decimal = Decimal(4)"
        )
    )
    know()
    assert _origins(know()) == []


def test_an_option_with_a_check_of_its_own_has_its_plugin_imported_to_check(drop, know):
    drop(
        CELL.replace("import seqlab", "import seqlab\n    import pydantic as p", 1)
        .replace("import Literal", "import Annotated, Literal")
        .replace("class Mine", "def even(n):\n        if n % 2: raise ValueError('even')\n"
                 "        return n\n\n    class Mine")
        .replace("size: int", "size: Annotated[int, p.AfterValidator(even)]")
    )  # fmt: skip
    know()
    registry = know()
    assert _origins(registry) == ["dropped"]
    option = registry.find("cell", "mine").signature.options["size"]
    assert option.check(2) == 2
    with pytest.raises(ValidationError, match="even"):
        option.check(3)


def test_two_plugins_of_one_name_are_refused_as_ever(drop, install, know):
    install("same", dedent(CELL))
    drop(CELL, "same")
    for _ in range(2):
        (problem, *_) = know().problems()
        assert "has the name of a plugin that was loaded before" in problem


# -- an entry that is not as it was written


def _entries():
    return sorted((cache_folder() / "signatures").iterdir())


def _signed(text):
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def _with_content(data, content):
    entry = json.loads(data.partition(b"\n")[2]) | {"content": content}
    return _signed(json.dumps(entry).encode())


def _with_options(data, **facts):
    content = json.loads(data.partition(b"\n")[2])["content"]
    for option in content["dropped"]["components"][0]["signature"]["options"]:
        option |= facts
    return _with_content(data, content)


DEEP = json.loads("[" * 500 + "]" * 500)
TAMPERED = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-9],
    "a bit flipped": lambda data: data.replace(b"A cell.", b"A cel1."),
    "no JSON": lambda data: _signed(b"\xff\xfe"),
    "a list": lambda data: _signed(b"[]"),
    "too deep": lambda data: _signed(b"[" * 10**6),
    "a long number": lambda data: _signed(b"9" * 10**5),
    "no mapping": lambda data: _with_content(data, [1]),
    "of another form": lambda data: _with_content(data, {"dropped": {"components": {"a": 1}}}),
    "no seconds": lambda data: _with_content(data, {"dropped": {"components": []}}),
    "a foreign kind": lambda data: data.replace(b'"cell"', b'"sell"'),
    "types": lambda data: _with_options(data, help=3),
    "a schema that is none": lambda data: _with_options(data, schema=[]),
    "a deep schema": lambda data: _with_options(data, schema={"a": DEEP}),
    "a schema of no kind": lambda data: _with_options(data, schema={"seqlab_kind": "x"}),
    "a deep default": lambda data: _with_options(data, default=DEEP),
    "a default of no form": lambda data: _with_options(data, default={"pickle": "x"}),
    "checks of no type": lambda data: _with_options(data, checks={"type": "model"}),
    "checks of a wrong type": lambda data: _with_options(data, checks={"type": "int", "gt": "x"}),
    "deep checks": lambda data: _with_options(data, checks=DEEP),
    "a function by name": lambda data: _with_options(data, checks={"known": "os.system"}),
    "a class by name": lambda data: _with_options(data, checks={"class": "os.system"}),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_damaged_entry_is_as_good_as_none(drop, know, tamper):
    drop(CELL)
    know()
    for file in _entries():
        data = file.read_bytes()
        if b"A cell." in data:
            file.write_bytes(tamper(data))
    for _ in range(2):
        component = know().find("cell", "mine")
        facts = _component_json(component)
        assert (facts["summary"], [o["type"] for o in facts["options"]]) == (
            "A cell.",
            ["integer", "a | b"],
        )
        assert component.signature.options["size"].check(3) == 3
        with pytest.raises(ValidationError):
            component.signature.options["how"].check("c")


def test_an_entry_that_is_huge_a_link_or_a_folder_is_not_read(drop, know):
    drop(CELL)
    know()
    for replace in (_make_huge, _make_link, _make_folder):
        for file in _entries():
            replace(file)
        assert know().find("cell", "mine").signature.summary == "A cell."
    assert Path("elsewhere").read_bytes() == b"mine"


def _make_huge(file):
    with file.open("r+b") as opened:
        opened.truncate(1 << 40)


def _make_link(file):
    Path("elsewhere").write_bytes(b"mine")
    file.unlink()
    file.symlink_to(Path("elsewhere").absolute())


def _make_folder(file):
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("folder", ["a-file", "a-file/cache", "/proc/no/cache"])
def test_without_a_cache_folder_all_is_as_before(drop, know, monkeypatch, folder):
    Path("a-file").touch()
    monkeypatch.setenv("SEQLAB_CACHE", folder)
    drop(CELL)
    for _ in range(2):
        assert know().find("cell", "mine").signature.summary == "A cell."


def test_what_was_kept_is_cleared_with_the_rest(drop, know):
    from seqlab.data import cache_entries

    drop(CELL)
    know()
    assert _entries()
    removed, refusals = cache_entries.clear()
    assert removed > 1000
    assert refusals == []
    assert _entries() == []


def test_of_what_is_to_be_built_no_more_is_imported_than_that(known, tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "own"))
    know_plugins(local=False)
    used = resolve(seqlab.read_experiment(tiny), known).used()
    assert ("seqlab-cells", "cell", "rnn") in used
    registry = know_plugins(local=False, imported=used)
    real = {c.key for c in _components(registry) if not isinstance(c.factory, StandIn)}
    assert real == used
    assert registry.find("cell", "rnn").factory(4, hidden_size=3).output_size == 3
