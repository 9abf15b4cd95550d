from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import seqlab
from seqlab.cli.main import call
from seqlab.errors import RunFailed, UsageError
from seqlab.experiment.kinds import KINDS
from seqlab.scaffold import scaffold

ROOT = Path(__file__).resolve().parents[2]
LONG = "a_rather_long_name_for_a_component"
HERE = Path()
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def new(capfd):
    """Run `seqlab plugins new`; return its exit code, what it said and what it complained of."""

    def run(*arguments):
        capfd.readouterr()
        code = call(["plugins", "new", *arguments])
        return code, *capfd.readouterr()

    return run


def plugin(name):
    (loaded,) = [p for p in seqlab.load_plugins().plugins if p.name == name]
    return loaded


@every_kind
@pytest.mark.parametrize("name", ["mine", "x", LONG])
def test_a_dropped_in_file_offers_one_component_and_no_problem(kind, name):
    scaffold(kind, name, False, Path("plugins"))
    loaded = plugin(name)
    assert loaded.problems == ()
    assert [(c.kind, c.name) for c in loaded.components] == [(kind, name)]


@every_kind
def test_every_option_of_a_template_has_a_default_and_help(kind):
    scaffold(kind, "mine", False, Path("plugins"))
    (component,) = plugin("mine").components
    options = component.signature.options.values()
    assert options
    assert all(option.help and not option.required for option in options)


@every_kind
def test_the_experiment_of_a_package_trains_with_the_same_file_dropped_in(kind):
    scaffold(kind, "mine", True, HERE)
    scaffold(kind, "mine", False, Path("plugins"))
    dropped_in, packed = Path("plugins/mine.py"), Path("seqlab-mine/src/seqlab_mine/mine.py")
    assert dropped_in.read_text("utf-8") == packed.read_text("utf-8")
    steps = ["train.epochs=null", "train.steps=3"]
    run = seqlab.run("seqlab-mine/experiments/mine.yaml", overrides=steps)
    assert run.metrics[-1]["step"] == 3
    if kind == "exporter":  # which no experiment names
        assert run.export("mine", "exported").files == ["model.json"]
    else:
        assert "mine" in (run.path / "resolved.yaml").read_text("utf-8")


def test_the_corpus_of_the_template_reads_the_lines_of_a_file():
    scaffold("corpus", "mine", False, Path("plugins"))
    make = seqlab.load_plugins().find("corpus", "mine").factory
    Path("lines.txt").write_text("one\ntwo\n", "utf-8")
    corpus = make(path=Path("lines.txt"))
    assert list(corpus.documents("train")) == ["one\n", "two\n"]
    before = corpus.fingerprint()
    Path("lines.txt").write_text("onet\nwo\n", "utf-8")
    assert corpus.fingerprint() != before
    Path("lines.txt").write_bytes(b"\xff")
    with pytest.raises(seqlab.CorpusError, match="is not UTF-8"):
        corpus.fingerprint()


def test_the_observer_of_the_template_repeats_no_line_after_a_resume(tiny):
    scaffold("observer", "mine", False, Path("plugins"))
    run = seqlab.run(tiny | {"observers": ["mine"], "train": {"epochs": 3}})
    resumed = seqlab.resume(run.path, overrides=["train.epochs=5"])
    lines = (resumed.path / "mine.txt").read_text("utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["1", "2", "3", "4", "5"]


def ruff(*arguments, cwd=HERE):
    command = [sys.executable, "-m", "ruff", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:2000]


@pytest.mark.parametrize("settings", [["--isolated"], []], ids=["default", "own"])
def test_ruff_has_nothing_to_say_of_what_is_written(settings):
    pytest.importorskip("ruff")
    for kind in KINDS:
        for name in ("mine", "x", LONG, "w" * 36, kind):
            scaffold(kind, name, True, Path(kind))
            scaffold(kind, name, False, Path(kind, "plugins"))
    ruff("check", *settings)
    ruff("format", "--check", *settings)


def test_ruff_has_nothing_to_say_of_a_file_in_a_checkout_of_seqlab():
    pytest.importorskip("ruff")
    Path("seqlab").mkdir()
    for module in ("__init__", "records"):  # ruff looks whether they are there
        Path("seqlab", f"{module}.py").touch()
    Path("pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for kind in KINDS:
        for name in (f"my_{kind}", f"{LONG[:30]}_{kind[:5]}"):
            scaffold(kind, name, False, Path("plugins"))
    ruff("check", "plugins")
    ruff("format", "--check", "plugins")


@every_kind
def test_a_package_says_what_it_needs_and_where_its_plugin_is(kind):
    written = scaffold(kind, "two_words", True, HERE)
    folder = Path("seqlab-two-words")
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == written
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["seqlab"] == {"two-words": "seqlab_two_words.two_words"}
    module = (folder / "src/seqlab_two_words/two_words.py").read_text("utf-8")
    needed = {dependency.partition(">")[0] for dependency in project["dependencies"]}
    assert needed == {"seqlab"} | {
        library for library in ("numpy", "pydantic", "torch") if library in module
    }


@every_kind
def test_nothing_is_left_to_fill_in(kind):
    for path in scaffold(kind, "mine", True, HERE):
        text = path.read_text("utf-8").replace("${{ matrix.python }}", "")
        assert "$" not in text, path


@pytest.mark.parametrize(
    ("kind", "name", "class_name"),
    [
        ("cell", "my_cell", "MyCell"),
        ("cell", "x", "X"),
        ("cell", "tensor", "TensorCell"),  # torch's
        ("cell", "none", "NoneCell"),  # a keyword
        ("schedule", "warning", "WarningSchedule"),  # a builtin
        ("optimizer", "optimizer", "OptimizerOptimizer"),
    ],
)
def test_a_class_is_named_after_the_component_and_hides_nothing(kind, name, class_name):
    scaffold(kind, name, False, Path("plugins"))
    (component,) = plugin(name).components
    assert component.factory.__name__ == class_name


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("cel", "mine", "unknown kind 'cel'; did you mean 'cell'?"),
        ("cell", "my-cell", "should be a Python name such as my_cell"),
        ("cell", "3d", "should be a Python name"),
        ("cell", "_mine", "should be a Python name"),
        ("cell", "MyCell", "should be a Python name"),
        ("cell", "../mine", "should be a Python name"),
        ("cell", "单元", "should be a Python name"),
        ("cell", "", "should be a Python name"),
        ("cell", "lambda", "is a keyword of Python"),
        ("cell", "random", "is a module of Python's standard library"),
        ("cell", "w" * 37, "is too long: 37 characters, 36 are allowed"),
        ("cell", "gru", "cell 'gru' exists already in plugin 'seqlab-cells' (seqlab "),
        ("observer", "seqlab_cells", "plugin 'seqlab-cells' exists already"),
    ],
)
@pytest.mark.parametrize("package", [[], ["--package"]], ids=["file", "package"])
def test_a_name_that_will_not_do_is_refused_in_one_line(kind, name, message, package, new):
    code, out, err = new(kind, name, *package)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(HERE.iterdir()) == []


def test_a_name_of_another_kind_is_free(new):
    assert new("observer", "gru")[0] == 0


def test_a_name_that_a_dropped_in_file_offers_is_refused(new):
    assert new("cell", "mine")[0] == 0
    before = Path("plugins/mine.py").read_bytes()
    for arguments in (["cell", "mine"], ["cell", "mine", "--package"], ["sampler", "mine"]):
        code, out, err = new(*arguments)
        assert (code, out) == (2, "")
        assert "plugin 'mine'" in err
    assert Path("plugins/mine.py").read_bytes() == before


@pytest.mark.parametrize("package", [False, True])
def test_what_is_there_is_left_as_it_is(package):
    target = Path("seqlab-mine" if package else "mine.py")
    target.write_text("precious")
    with pytest.raises(UsageError, match="exists already; nothing was written"):
        scaffold("cell", "mine", package, HERE)
    assert target.read_text() == "precious"


def test_a_file_where_a_folder_should_be_is_told(new):
    Path("there").touch()
    code, _, err = new("cell", "mine", "--into", "there")
    assert (code, err) == (2, "seqlab: there: is not a folder\n")


def test_a_package_is_written_whole_or_not_at_all(monkeypatch):
    synced, fsync = [], os.fsync

    def full(descriptor):
        synced.append(fsync(descriptor))
        if len(synced) == 4:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="seqlab-mine: cannot be written \\(No space left"):
        scaffold("cell", "mine", True, HERE)
    assert list(HERE.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("cell", "cell=mine"),
        ("corpus", "corpus=mine --set samples=null"),
        ("observer", "'observers=[mine]'"),
        ("head", "model.head=mine"),
        ("metric", "evaluation.split=train --set 'evaluation.metrics=[mine]'"),
    ],
)
def test_a_file_comes_with_two_commands_to_try(kind, setting, new):
    Path("experiments").mkdir()
    Path("experiments/jay_rnn.yaml").touch()
    code, out, err = new(kind, "mine")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "written  plugins/mine.py",
        "",
        f"Now: seqlab run experiments/jay_rnn.yaml --set {setting}",
        "     seqlab plugins check plugins/mine.py",
    ]


def test_an_exporter_comes_with_the_command_that_calls_it(new, tiny):
    _, out, _ = new("exporter", "mine")
    assert "Now: seqlab export latest --to mine\n" in out
    seqlab.run(tiny | {"train": {"steps": 1}})
    assert call(["export", "latest", "--to", "mine"]) == 0


def test_the_commands_know_another_folder_and_a_missing_experiment(new):
    _, out, _ = new("cell", "mine", "--into", "lab/cells")
    assert Path("lab/cells/mine.py").is_file()
    assert "seqlab run EXPERIMENT.yaml --set cell=mine --plugins lab/cells\n" in out
    assert "seqlab plugins check lab/cells/mine.py\n" in out


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.command])
def test_the_command_that_is_printed_does_what_it_says(kind, new, capfd):
    Path("experiments").mkdir()
    experiment = (ROOT / "experiments/jay_rnn.yaml").read_bytes()
    Path("experiments/jay_rnn.yaml").write_bytes(experiment)
    _, out, _ = new(kind, "mine")
    line = next(line for line in out.splitlines() if "seqlab run" in line)
    words = line.partition("seqlab ")[2].replace("'", "").split()
    assert call([*words, "--set", "train.epochs=null", "--set", "train.steps=1"]) == 0


def test_a_package_comes_with_two_commands_to_try(new):
    _, out, _ = new("cell", "my_mine", "--package", "--into", "lab")
    assert "written  lab/seqlab-my-mine/tests/test_my_mine.py\n" in out
    assert "cd lab/seqlab-my-mine && pip install -e '.[test,lint]' && pytest\n" in out
    assert out.endswith("seqlab run experiments/my_mine.yaml\n")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@every_kind
def test_a_package_passes_its_own_tests_in_an_environment_of_its_own(kind):
    command = [sys.executable, "-m", "benchmarks.scaffold", "--kinds", kind]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
