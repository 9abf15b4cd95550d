"""Versions: what a plugin was written for, what an experiment needs, what was frozen."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import pytest
from torch import nn

import seqlab
import seqlab.testing
from seqlab import hookspecs
from seqlab.experiment.kinds import KINDS
from seqlab.registry.compatibility import declared_api, unmet_requirements, why_too_new

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
FROZEN = FIXTURES / "plugins_api1"
NAMES, PAGES = FIXTURES / "plugins_api1_names", FIXTURES / "plugins_api1_docs"
HOOKS_OF_1 = {
    *(f"seqlab_register_{kind}" for kind in ("corpora", "tokenizers", "samplers", "cells")),
    *(f"seqlab_register_{kind}" for kind in ("optimizers", "schedules", "decoders", "observers")),
}
EVENTS_OF_1 = {
    *("seqlab_run_started", "seqlab_step_ended", "seqlab_epoch_ended", "seqlab_evaluated"),
    *("seqlab_text_generated", "seqlab_checkpoint_saved", "seqlab_run_ended"),
}
STRANGERS = {
    "corpus": "alphabet",
    "tokenizer": "raw",
    "sampler": "halves",
    "cell": "sum",
    "optimizer": "descent",
    "schedule": "halving",
    "decoder": "last",
    "observers": ["diary"],
    "train": {"epochs": 2},
    "samples": {"prefixes": ["abc"], "length": 4},
}
SECOND_FORMS = {
    "corpus": "pairs",
    "tokenizer": "ids",
    "sampler": {"name": "random", "window": 12, "batch_size": 4},
    "cell": "two_parts",
    "optimizer": {"name": "adam", "lr": 0.01},
    "decoder": "widest",
    "observers": [{"name": "counter", "mark": 3}],
    "evaluation": {"every": "1 epoch", "rows": 2},
    "train": {"epochs": 2},
}
NAMES_OF_1 = {
    *("Advance", "Batch", "Cell", "Continuation", "Corpus", "CorpusError", "CorpusUnavailable"),
    *("Decoder", "Document", "Dropout", "Experiment", "ExperimentError", "GreedyWalk", "IdStep"),
    *("Ids", "Limits", "NamedParameters", "Observer", "Permutation", "Registry", "Run", "Sampler"),
    *("SearchDecoder", "SeqlabError", "Start", "State", "Tokenizer", "Tokens", "contiguous"),
    *("has_onednn_for", "hookimpl", "linear", "load_plugins", "map_state", "on_all_cores"),
    *("open_run", "outer", "product", "product_dtype", "read_experiment", "resume", "run"),
    *(
        "select_rows",
        "steady_linear",
        "tanh",
        "testing",
        "text_pieces",
        "unroll",
        "why_not_compiled",
    ),
}
SMALL = {
    "tokenizer": "characters",
    "sampler": {"name": "consecutive", "batch_size": 2, "window": 8},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"epochs": 1},
}
PAGES_OF_1 = {
    "chat": {"corpus": {"name": "chat", "path": "chat.jsonl"}, "cell": "gru"},
    "nucleus": {"corpus": "alphabet", "cell": "sum", "decoder": "nucleus"},
    "branches": {"corpus": "alphabet", "cell": "sum", "decoder": "branches"},
    "losses": {"corpus": "alphabet", "cell": "sum", "observers": ["losses"]},
    "selective": {"corpus": "alphabet", "cell": "sum", "optimizer": "selective"},
    "dated": {"corpus": "alphabet", "cell": "echo"},
    "leaky": {"corpus": "alphabet", "cell": "leaky"},
    "package/seqlab_leaky": {"corpus": "alphabet", "cell": "leaky"},
}


# -- what was promised before


def test_hooks_only_grow():
    now = {name: value for name, value in vars(hookspecs).items() if name.startswith("seqlab_")}
    assert now.keys() >= HOOKS_OF_1 | EVENTS_OF_1
    for name in EVENTS_OF_1:
        assert list(inspect.signature(now[name]).parameters) == ["record"]
    for name in HOOKS_OF_1:
        assert not inspect.signature(now[name]).parameters


@pytest.mark.parametrize(
    ("experiment", "text"), [(STRANGERS, "abccccc"), (SECOND_FORMS, None)], ids=["all", "second"]
)
def test_plugins_of_api_1_go_on_working(experiment, text):
    registry = seqlab.load_plugins(FROZEN)
    assert not list(registry.problems())
    run = seqlab.run(experiment, registry=registry)
    assert run.metrics[-1]["loss"] < run.metrics[0]["loss"]
    resumed = seqlab.resume(run.path, overrides=["train.epochs=3"], registry=registry)
    assert resumed.metrics[-1]["epoch"] == 3
    if text:
        assert run.generate("abc", length=4)[0].text == text


def test_a_search_of_api_1_goes_on_working():
    run = seqlab.run(SECOND_FORMS, registry=seqlab.load_plugins(FROZEN))
    assert run.metrics[-1]["accuracy"] > 0
    assert run.description["plugins"][-1]["source_sha256"]


@pytest.mark.filterwarnings("ignore:seqlab:DeprecationWarning")
def test_every_name_of_api_1_can_be_had_and_is_used_by_what_is_frozen():
    used = set(re.findall(r"\bseqlab\.(\w+)", (NAMES / "every_name.py").read_text("utf-8")))
    used |= set(re.findall(r"\bseqlab\.(\w+)", (FROZEN / "stranger.py").read_text("utf-8")))
    assert used - {"loops"} >= NAMES_OF_1
    for name in NAMES_OF_1 - {"testing"}:
        assert getattr(seqlab, name) is not None


def test_a_name_that_went_says_what_to_use_instead():
    vars(seqlab).pop("steady_linear", None)
    with pytest.warns(DeprecationWarning, match="use torch.nn.functional.linear"):
        assert seqlab.steady_linear
    assert "steady_linear" not in dir(seqlab)


@pytest.mark.parametrize(
    ("module", "name", "successor"),
    [
        ("seqlab.loops", "tanh", "seqlab.kernels.loops"),
        ("seqlab.network", "why_offline", "seqlab.offline"),
        ("seqlab.visible", "visible", "seqlab.printable"),
        ("seqlab.runs.comparing", "compare", "seqlab.runs.comparison"),
    ],
)
def test_a_module_of_api_1_that_moved_says_where_it_is(module, name, successor, monkeypatch):
    if module == "seqlab.loops":
        pytest.importorskip("numba")
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{module} is now {successor}"):
        old = importlib.import_module(module)
    assert getattr(old, name) is getattr(importlib.import_module(successor), name)


@pytest.mark.filterwarnings("ignore:seqlab:DeprecationWarning")
def test_what_uses_every_name_of_api_1_goes_on_working():
    registry = seqlab.load_plugins(NAMES)
    assert not list(registry.problems())
    experiment = SMALL | {"corpus": "letters", "sampler": "shuffled", "cell": "mixed"}
    for decoder in ("first", "straight"):
        run = seqlab.run(experiment | {"decoder": decoder, "optimizer": "plain"}, registry=registry)
        assert len(run.generate("abc", length=300)[0].text) == 303
    ids = {"corpus": "digits", "tokenizer": "ids", "cell": "mixed"}
    assert seqlab.run(SMALL | ids, registry=registry).metrics[-1]["loss"] < 2
    missing = {"corpus": {"name": "letters", "missing": True}}
    with pytest.raises(seqlab.CorpusUnavailable, match="out of stock"):
        seqlab.run(experiment | missing, registry=registry)


@pytest.mark.filterwarnings("ignore:seqlab:DeprecationWarning")
def test_what_a_notebook_of_api_1_does_goes_on_working():
    Path("plain.yaml").write_text(
        "corpus: {name: original_lyrics, max_characters: 400}\ntrain: {epochs: 1}\n"
        "cell: {name: rnn, hidden_size: 4}\noptimizer: {name: adam, lr: 0.01}\n"
        "sampler: {name: consecutive, batch_size: 2, window: 8}\n"
    )
    run = _names_module().by_hand("plain.yaml")
    assert run.metrics


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:seqlab:DeprecationWarning")
def test_the_checks_of_api_1_go_on_working():
    _names_module().checked(NAMES)


@pytest.mark.filterwarnings("ignore:seqlab:DeprecationWarning")
def test_some_checks_of_api_1_go_on_working_under_their_names():
    testing, mixed = seqlab.testing, _names_module().Mixed
    for kind in KINDS:
        assert callable(getattr(testing, f"check_{kind}"))
    subjects = [testing.Subject.of("cell", factory, {}) for factory in (mixed, nn.Linear)]
    check = testing.checks_of("cell")[0]
    kept, broken = (testing.look_at(check, subject) for subject in subjects)
    assert isinstance(kept, testing.Result)
    assert (kept.verdict, broken.verdict) == ("kept", "broken")
    testing.verify(check, subjects[0])
    with pytest.raises(testing.Broken):
        testing.verify(check, subjects[1])
    assert issubclass(testing.NotApplicable, Exception)


@pytest.mark.filterwarnings("ignore:seqlab:DeprecationWarning")
@pytest.mark.parametrize("page", PAGES_OF_1)
def test_what_a_page_of_api_1_shows_goes_on_working(page):
    lines = [{"split": split, "text": "abcabc" * 20} for split in ("train", "valid")]
    Path("chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = [PAGES / f"{page}.py", FROZEN / "stranger.py"]
    registry = seqlab.load_plugins(local=False, files=files)
    assert not list(registry.problems())
    run = seqlab.run(SMALL | PAGES_OF_1[page], registry=registry)
    assert run.description["status"] == "finished"
    assert run.generate("abc", length=4)[0].text.startswith("abc")


def test_every_page_that_shows_a_plugin_of_api_1_is_frozen():
    pages = {str(path.relative_to(PAGES).with_suffix("")) for path in PAGES.rglob("*.py")}
    assert pages == set(PAGES_OF_1)


def _names_module():
    return sys.modules[_cell(seqlab.load_plugins(NAMES), "mixed").__module__]


def _cell(registry, name):
    return registry.find("cell", name).factory


# -- what a plugin was written for


def test_a_plugin_for_a_newer_api_gets_one_sentence_with_both_versions(drop):
    drop("SEQLAB_API = 99\nfrom seqlab import something_of_the_future\n")
    (problem,) = seqlab.load_plugins().problems()
    assert "was written for API 99 of seqlab" in problem
    assert f"this is seqlab {seqlab.__version__} with API {hookspecs.API}" in problem
    assert "future" not in problem


def test_a_plugin_for_this_api_is_loaded(drop, offering):
    drop(f"SEQLAB_API: int = {hookspecs.API}\n" + offering("def mine():\n    return 1\n"))
    assert not list(seqlab.load_plugins().problems())


@pytest.mark.parametrize("declared", ["'1'", "0", "1.5", "True"])
def test_an_api_that_is_no_number_is_refused(drop, declared):
    drop(f"SEQLAB_API = {declared}\n")
    (problem,) = seqlab.load_plugins().problems()
    assert "it should be a number from 1 on" in problem


def test_a_source_that_says_nothing_was_written_for_any():
    Path("silent.py").write_text("x = 1\n")
    Path("broken.py").write_text("def\n")
    for path in (Path("silent.py"), Path("broken.py"), Path("nobody.py"), None):
        assert declared_api(path) is None
    assert why_too_new(None) == ""


# -- what an experiment needs


def test_what_is_installed_is_enough(registry, resolved):
    requires = [f"seqlab>={seqlab.__version__}", "pluggy"]
    result = resolved(registry, requires=requires)
    assert result.as_experiment()["requires"] == requires


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("seqlab-foo>=0.2", "needs seqlab-foo>=0.2, which is not installed: pip install 'seqlab-"),
        ("seqlab>=99", f"needs seqlab>=99; {seqlab.__version__} is installed: pip install"),
        ("seqlab foo", "is not a requirement such as seqlab-foo>=0.2"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(registry, refused, requirement, message):
    error = refused(registry, requires=["pluggy", requirement])
    assert f"requires.1: {message}" in str(error)
    assert error.exit_code == (3 if message.startswith("needs") else 2)


@pytest.mark.parametrize("value", ["seqlab", [3], {"a": "b"}])
def test_requires_is_a_list_of_texts(registry, refused, value):
    assert "requires: should be a list such as [seqlab-foo>=0.2]" in str(
        refused(registry, requires=value)
    )


def test_every_requirement_that_is_not_met_is_said():
    assert [
        index for index, _ in unmet_requirements(["pluggy", "nobody-has-this", "pluggy>99"])
    ] == [1, 2]
