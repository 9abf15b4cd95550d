"""What others would write for seqlab can be written, by public names, and keeps every promise."""

from __future__ import annotations

import ast
import json
import math
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from stranger_components import COMPONENTS, PAIRS, SLOW

import seqlab
from seqlab.cli.plugins import _component_json
from seqlab.experiment.kinds import KINDS
from seqlab.registry.kept_options import StandIn
from seqlab.registry.kept_plugins import know_plugins
from seqlab.registry.schema import experiment_schema
from seqlab.testing import Subject, checks_of, look_at

HERE = Path(__file__).resolve().parent
DROPPED_IN = HERE / "plugins"
SOURCES = sorted(
    {*(HERE / "seqlab-strangers" / "src").rglob("*.py"), *(HERE / "plugins").rglob("*.py")}
)
OTHERS = {"__future__", "numpy", "pydantic", "torch", "seqlab_strangers"}
"""What they import besides seqlab and Python's own library."""
DOCUMENTED = {"seqlab", "seqlab.kernels", "seqlab.records"}
"""Modules that `plugins/README.md` and the how-to pages name for authors."""


PROCESSES = {"import_changes_nothing", "same_in_every_process", "hash_seed_does_not_matter"}
"""Checks that start a process, which takes seconds."""


def every_component():
    for kind, name, options in COMPONENTS:
        marks = [pytest.mark.slow] if name in SLOW else []
        yield pytest.param(kind, name, options, id=f"{kind}-{name}", marks=marks)


each = pytest.mark.parametrize(("kind", "name", "options"), list(every_component()))


@each
def test_it_keeps_the_promises_of_its_kind(strangers, kind, name, options):
    assert broken(strangers, kind, name, options, lambda check: check not in PROCESSES) == []


@pytest.mark.slow
@each
def test_it_keeps_its_promises_in_another_process(strangers, kind, name, options):
    assert broken(strangers, kind, name, options, PROCESSES.__contains__) == []


def broken(registry, kind, name, options, wanted):
    pairs_file()
    subject = Subject.of_component(registry.find(kind, name), options, registry)
    checks = [c for c in checks_of(subject.declaration or kind) if wanted(c.__name__)]
    assert checks
    return [result for c in checks if (result := look_at(c, subject)).verdict == "broken"]


def pairs_file():
    Path("pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))


def test_no_component_is_left_out_and_no_plugin_has_a_problem(strangers):
    assert not list(strangers.problems())
    mine = {
        (component.kind, component.name)
        for plugin in strangers.plugins
        if plugin.distribution in {"seqlab-strangers", ""}
        for component in plugin.components
    }
    assert mine == {(kind, name) for kind, name, _ in COMPONENTS}


def test_there_are_thirty_and_more_of_every_kind():
    kinds = Counter(kind for kind, _, _ in COMPONENTS)
    assert kinds.total() >= 30
    assert set(kinds) == {*KINDS, "corruption"}


# -- in experiments


@pytest.fixture
def experiments():
    """The experiments of strangers in the working folder, with what they read."""
    pairs_file()
    return {p.stem: shutil.copy(p, ".") for p in sorted((HERE / "experiments").glob("*.yaml"))}


def test_every_component_is_in_an_experiment():
    written = "".join(p.read_text("utf-8") for p in (HERE / "experiments").glob("*.yaml"))
    words = set(re.findall(r"\w+", written))
    assert {name for kind, name, _ in COMPONENTS if kind != "exporter"} <= words


@pytest.mark.parametrize("name", ["wrapped", "mixed", "hybrid", "tagged", "preferred", "twice"])
def test_it_trains_and_goes_on_to_the_bit(strangers, experiments, facts, name):
    run = seqlab.run(experiments[name], run_dir=name, registry=strangers)
    assert run.description["status"] == "finished"
    assert bool(run.samples) == ("samples:" in Path(experiments[name]).read_text())
    copy = shutil.copytree(run.path, "copy")
    assert facts(seqlab.resume(copy, checkpoint=3, registry=strangers)) == facts(run)


def test_what_strangers_measure_is_in_the_rows_of_the_run(strangers, experiments):
    short = ["train.steps=2", "evaluation.every=2"]
    run = seqlab.run(experiments["wrapped"], overrides=short, registry=strangers)
    trained, evaluated = run.metrics[-1], next(r for r in run.metrics if r["split"] == "valid")
    assert {"focal", "activation_size", "activation_change", "balance"} <= trained.keys()
    assert evaluated["reciprocal_rank"] < 1 < evaluated["mean_rank"]
    assert (run.path / "norms.jsonl").read_text().count("\n") == 1


def test_a_sampler_around_another_one_begins_documents_as_that_one_does(strangers, experiments):
    runs = [
        seqlab.run(experiments["twice"], overrides=overrides, registry=strangers)
        for overrides in ([], ["evaluation.documents=fresh"], ["evaluation.documents=carried"])
    ]
    loss, fresh, carried = [run.metrics[0]["loss"] for run in runs]
    assert loss == fresh != carried


def test_one_group_of_a_diverse_beam_is_a_beam(strangers, experiments):
    run = seqlab.run(experiments["mixed"], registry=strangers)
    texts = [
        [one.text for one in run.generate("我", length=5, num=3, overrides=[f"decoder={decoder}"])]
        for decoder in ("{name: diverse_beam, groups: 1, beams: 3}", "{name: beam, beams: 3}")
    ]
    assert texts[0] == texts[1]


def test_inputs_are_corrupted_in_training_alone(strangers, experiments):
    still = ["optimizer={name: sgd, lr: 1.0e-30}", "train.epochs=1", "train.steps=null"]
    corrupted = "{name: corrupted, corruption: {name: other_tokens, share: 0.9}}"
    losses = []
    for objective in ("next_token", corrupted):
        overrides = [*still, f"objective={objective}"]
        run = seqlab.run(experiments["hybrid"], overrides=overrides, registry=strangers)
        losses.append({row["split"]: row["loss"] for row in run.metrics})
    assert losses[0]["train"] != losses[1]["train"]
    assert losses[0]["valid"] == losses[1]["valid"]


def test_preferences_are_those_against_a_reference(strangers, experiments):
    seqlab.run(experiments["preferred"], run_dir="reference", registry=strangers)
    same = ["objective.reference=reference", "train.init_from=reference"]
    still = ["optimizer={name: sgd, lr: 1.0e-30}"]
    first = seqlab.run(experiments["preferred"], overrides=[*same, *still], registry=strangers)
    tuned = seqlab.run(experiments["preferred"], overrides=same, registry=strangers)
    assert first.metrics[-1]["preference"] == pytest.approx(math.log(2))
    assert tuned.metrics[-1]["preference"] < tuned.metrics[0]["preference"]


def test_tags_that_no_text_has_are_said_before_the_first_step(strangers, experiments):
    with pytest.raises(seqlab.ExperimentError, match="objective: the text has 0 of the tags ab"):
        seqlab.run(experiments["tagged"], overrides=["objective.tags=ab"], registry=strangers)


def test_an_exporter_is_given_what_strangers_trained(strangers, experiments):
    run = seqlab.run(experiments["wrapped"], overrides=["train.steps=1"], registry=strangers)
    folder = run.export("numpy_arrays", "out").folder
    tokens = [bytes.fromhex(token) for token in json.loads((folder / "tokens.json").read_text())]
    assert tokens == [run.tokenizer.token_bytes(token) for token in range(run.tokenizer.size)]
    saved, weights = np.load(folder / "weights.npz"), run.model.state_dict()
    assert set(saved) == set(weights)
    assert all(np.array_equal(saved[name], weights[name]) for name in weights)


def test_a_run_whose_loss_does_not_fall_is_stopped_by_its_observer(strangers, experiments):
    overrides = ["observers=[{name: too_slow, nats: 99.0, patience: 2}]"]
    overrides += ["train.steps=null", "train.epochs=9"]
    run = seqlab.run(experiments["hybrid"], overrides=overrides, registry=strangers)
    assert run.description["status"] == "stopped"
    assert run.metrics[-1]["epoch"] == 3


# -- public names alone

PUBLIC = {*dir(seqlab), *seqlab._HOME_OF}  # what the reference lists


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_it_uses_public_names_alone(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert list(private(tree)) == []


def test_the_modules_that_they_import_are_those_of_the_page_for_authors():
    page = (HERE.parents[1] / "plugins" / "README.md").read_text("utf-8")
    assert [module for module in DOCUMENTED if f"`{module}" not in page] == []


def test_a_private_name_would_be_found():
    wrong = (
        "import seqlab.model",
        "from seqlab.model.stack import Stack",
        "from seqlab.records import _hidden",
        "import seqlab_plugins.heads",
        "import seqlab\nseqlab.experiment",
        "import seqlab\nseqlab._HOMES",
        "cell._weights",
        "self._of_a_base_class",
    )
    for source in wrong:
        assert list(private(ast.parse(source))), source


def private(tree):
    """What a source file uses that is not for it: modules, and names of modules or objects."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if not may_import(alias.name))
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if not may_import(node.module):
                yield node.module
            if node.module == "seqlab":
                yield from set(names) - PUBLIC
            yield from (name for name in names if name.startswith("_"))
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if owner == "seqlab" and node.attr not in PUBLIC:
                yield f"seqlab.{node.attr}"
            if is_private(node.attr) and not (owner in {"self", "super()"} and node.attr in own):
                yield f"{owner}.{node.attr}"


def may_import(module):
    top = module.partition(".")[0]
    own = top in OTHERS or top in sys.stdlib_module_names
    return module in DOCUMENTED if top == "seqlab" else own


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_replace"  # of tuples


def test_what_the_cache_knows_of_them_is_what_they_say(strangers):
    for _ in range(2):  # first from what is imported, then from the cache
        known = know_plugins(DROPPED_IN)
        assert experiment_schema(known) == experiment_schema(strangers)
        for plugin, kept in zip(strangers.plugins, known.plugins, strict=True):
            said = list(map(_component_json, plugin.components))
            assert list(map(_component_json, kept.components)) == said
    stand_ins = {
        c.plugin for p in known.plugins for c in p.components if type(c.factory) is StandIn
    }
    assert len(stand_ins) > len(strangers.plugins) / 2
