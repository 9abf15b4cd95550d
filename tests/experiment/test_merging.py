"""The one rule by which `extends` and `--set` lay one experiment over another."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab.experiment.located import plain
from seqlab.registry import resolve

BASE = """
corpus: {name: text, path: own.txt}
sampler: consecutive
cell: {name: rnn, hidden_size: 4, dropout: 0.5}
optimizer: {name: adam, lr: 0.5, betas: [0.5, 0.6], clip_norm: 1}
train: {epochs: 1, seed: 7}
observers: [{name: console, every: 3}]
"""


@pytest.fixture
def over(write, registry):
    """Lay a text and overrides over the base, which lies in another folder, and resolve it."""

    def over(text="", *overrides):
        write(BASE, "lib/base.yaml")
        path = write(f"extends: ../lib/base.yaml\n{text}", "mine/e.yaml")
        return resolve(seqlab.read_experiment(path, overrides), registry)

    return over


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("cell: {name: a, x: 1}", "cell: {name: b, y: 2}", {"name": "b", "y": 2}),
        ("cell: {name: a, x: 1}", "cell: {name: a}", {"name": "a"}),
        ("cell: {name: a, x: 1}", "cell: {y: 2}", {"name": "a", "x": 1, "y": 2}),
        ("cell: {name: a, x: 1}", "cell: {x: 2}", {"name": "a", "x": 2}),
        ("cell: {name: a, x: 1}", "cell: {x: ~}", {"name": "a", "x": None}),
        ("cell: {name: a, x: 1}", "cell: b", {"name": "b", "x": 1}),
        ("cell: a", "cell: {x: 1}", {"name": "a", "x": 1}),
        ("cell: a", "cell: b", {"name": "b"}),
        ("cell: {x: {y: 1, z: 2}}", "cell: {x: {y: 3}}", {"x": {"y": 3, "z": 2}}),
        ("cell: {name: a, x: [1, 2]}", "cell: {x: [3]}", {"name": "a", "x": [3]}),
        ("cell: {name: a}", "cell:", None),
        ("cell:", "cell: {x: 1}", {"x": 1}),
        ("cell: 3", "cell: {x: 1}", {"x": 1}),
        ("cell: {name: a}", "cell: [b]", ["b"]),
    ],
)
def test_one_section_is_laid_over_another_by_one_rule(write, read, base, over, merged):
    write(base, "base.yaml")
    assert read(f"extends: base.yaml\n{over}\n") == {"cell": merged}


def test_a_section_of_the_core_merges_whatever_its_keys(over):
    assert over("train: {epochs: 2}").train.seed == 7


def test_a_list_replaces_a_list(over):
    assert [o.options["every"] for o in over("observers: [console]").observers] == [None]


def test_a_null_takes_a_section_away(read):
    assert read("cell: {name: rnn}\n", "cell=")["cell"] is None


@pytest.mark.parametrize("changes", [["cell: lstm"], ["", "cell=lstm"]], ids=["file", "override"])
def test_a_bare_name_keeps_the_options_that_the_new_component_has(over, changes):
    resolved = over(*changes)
    assert resolved.cell.component.name == "lstm"
    assert (resolved.cell.options["hidden_size"], resolved.cell.options["dropout"]) == (4, 0.5)


def test_nothing_is_said_where_no_option_is_left_behind(over):
    assert over("cell: lstm").notices == ()


def test_a_bare_name_says_which_options_it_left_behind(over):
    notice, _ = over("optimizer: sgd").notices
    assert notice == "optimizer.betas is dropped: optimizer 'sgd' has no such option"


def test_a_bare_name_keeps_what_the_core_reads_in_the_section(over):
    resolved = over("optimizer: sgd")
    assert (resolved.optimizer.options["lr"], resolved.optimizer_keys.clip_norm) == (0.5, 1.0)


def test_a_name_that_is_said_twice_still_leaves_behind_what_it_left(over):
    assert len(over("optimizer: sgd", "optimizer=sgd").notices) == 2


def test_what_the_core_reads_is_kept_from_another_component_and_that_is_told(over):
    _, notice = over("optimizer: sgd").notices
    assert notice.startswith(
        "optimizer.clip_norm: 1 is kept, though optimizer is another component"
    )


def test_a_component_may_be_changed_and_changed_back(over):
    assert over("optimizer: sgd", "optimizer=adam").optimizer.options["betas"] == (0.5, 0.6)


def test_a_mapping_with_a_name_leaves_nothing_of_the_old_options(over):
    assert over("cell: {name: rnn}").cell.options["hidden_size"] == 256


def test_an_option_that_was_written_for_the_new_component_must_be_one_of_its_own(over):
    with pytest.raises(seqlab.ExperimentError, match=r": optimizer.betas: .* has no option"):
        over("optimizer: sgd", "optimizer.betas=[0.1, 0.2]")


def test_an_option_that_nobody_has_is_an_error_where_it_was_written(over):
    with pytest.raises(seqlab.ExperimentError, match=r"^mine/e\.yaml:2:.*cell\.hiden_size"):
        over("cell: {hiden_size: 2}", "cell.dropout=0.1")


def test_an_option_that_nobody_has_is_an_error_after_a_change_of_name_too(over):
    with pytest.raises(seqlab.ExperimentError, match=r"^mine/e\.yaml:2:.*cell\.hiden_size"):
        over("cell: {hiden_size: 2}", "cell=lstm")


def test_a_kept_value_that_the_new_component_refuses_is_said_where_it_was_written(over):
    with pytest.raises(seqlab.ExperimentError, match=r"^mine/e\.yaml:2:17: cell\.dropout: "):
        over("cell: {dropout: 2}", "cell=lstm")


def test_the_path_of_a_base_is_relative_to_the_base(over):
    assert over().corpus.options["path"].resolve() == Path("lib/own.txt").resolve()


def test_a_path_in_a_file_is_relative_to_that_file(over):
    path = over("corpus: {path: own.txt}").corpus.options["path"]
    assert path.resolve() == Path("mine/own.txt").resolve()


def test_a_path_in_an_override_is_relative_to_the_working_folder(over):
    path = over("corpus: {path: x}", "corpus.path=own.txt").corpus.options["path"]
    assert path == Path("own.txt").absolute()


def test_a_stand_in_with_a_name_replaces_the_stand_in(over):
    text = "corpus: {if_unavailable: {name: text, path: a.txt}}"
    resolved = over(text, "corpus.if_unavailable={name: original_lyrics}")
    assert resolved.stand_in.component.name == "original_lyrics"


def test_merging_leaves_both_experiments_as_they_were(write):
    path = write("cell: {name: rnn, x: {y: 1}}\n")
    experiment = seqlab.read_experiment(path, ["cell.x.y=2", "cell=lstm"])
    assert plain(experiment.tree)["cell"] == {"name": "lstm", "x": {"y": 2}}
    assert plain(seqlab.read_experiment(path).tree)["cell"] == {"name": "rnn", "x": {"y": 1}}
