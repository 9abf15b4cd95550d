"""A file, the files that it extends, and overrides, read into one experiment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import seqlab
from seqlab.errors import UsageError
from seqlab.experiment.located import plain


def sections(source: str | Path | Mapping[str, Any], *overrides: str) -> Any:
    return plain(seqlab.read_experiment(source, overrides).tree)


def test_an_experiment_is_called_like_its_file(write):
    assert seqlab.read_experiment(write("a: 1", "my exp.yaml")).name == "my exp"


def test_an_experiment_may_be_given_another_name(write):
    assert seqlab.read_experiment(write("a: 1"), name="mine").name == "mine"


def test_the_source_is_kept_as_it_was_given(write):
    text = "# why\nmodel:   1\nextends: base.yaml\n"
    write("train: 2", "base.yaml")
    assert seqlab.read_experiment(write(text), ["model=2"]).source == text


def test_overrides_are_remembered_in_their_order(write):
    assert seqlab.read_experiment(write("a: 1"), ["b=2", "a=3"]).overrides == ("b=2", "a=3")


def test_a_file_holds_what_it_extends(write):
    write("model: 1\ntrain: 2\n", "base.yaml")
    assert sections(write("extends: base.yaml\ntrain: 3\n")) == {"model": 1, "train": 3}


def test_extends_is_relative_to_the_file_that_says_it(write):
    write("model: 1", "lib/deep/root.yaml")
    write("extends: deep/root.yaml\ntrain: 2\n", "lib/base.yaml")
    result = sections(write("extends: ../lib/base.yaml", "mine/e.yaml"))
    assert result == {"model": 1, "train": 2}


def test_a_value_of_the_base_is_placed_in_the_base(write):
    write("model: 1\ntrain: 2\n", "base.yaml")
    tree = seqlab.read_experiment(write("extends: base.yaml\n")).tree
    assert str(tree.at(["train"]).origin) == "base.yaml:2:8"


@pytest.mark.parametrize("chain", [["e.yaml"], ["b.yaml", "./e.yaml"], ["b.yaml", "b.yaml"]])
def test_extending_in_a_circle_is_refused_where_it_closes(write, chain):
    for name, base in zip(["e.yaml", *chain], chain, strict=False):
        write(f"a: 1\nextends: {base}\n", name)
    with pytest.raises(seqlab.ExperimentError, match=r":2:10: extends: goes in a circle"):
        seqlab.read_experiment("e.yaml")


def test_a_base_may_be_reached_twice_if_not_from_itself(write):
    write("model: 1", "root.yaml")
    write("extends: root.yaml", "left.yaml")
    write("extends: left.yaml\ntrain: 1", "right.yaml")
    assert sections(write("extends: right.yaml")) == {"model": 1, "train": 1}


@pytest.mark.parametrize("base", ["nope.yaml", ".", "x/nope.yaml", '"a\\0b"', "x" * 300])
def test_a_base_that_cannot_be_read_is_blamed_on_extends(refusal, base):
    assert refusal(f"a: 1\nextends: {base}").startswith("e.yaml:2:10: extends: ")


@pytest.mark.parametrize("base", ["[[base.yaml]]", "['']", "''", "3", "{a: 1}", "true", ""])
def test_extends_takes_paths_and_nothing_else(refusal, base):
    assert "extends: should be the path of an experiment file" in refusal(f"extends: {base}\n")


def test_of_several_bases_each_is_laid_over_the_one_before(write):
    write("model: 1\ntrain: {steps: 1, seed: 1}", "a.yaml")
    write("train: {steps: 2, epochs: 2}", "b.yaml")
    both = {"model": 1, "train": {"steps": 2, "seed": 1, "epochs": 3}}
    assert sections(write("extends: [a.yaml, b.yaml]\ntrain: {epochs: 3}")) == both
    assert sections(write("extends: []\nmodel: 2")) == {"model": 2}


def test_a_mistake_in_one_of_several_bases_has_its_own_place(write, refusal):
    write("model: 1", "a.yaml")
    assert refusal("extends: [a.yaml, no.yaml]").startswith("e.yaml:1:19: extends: ")


def test_files_that_lead_to_ever_more_files_are_refused(write, refusal):
    for number in range(15):
        write(f"extends: [{number + 1}.yaml, {number + 1}.yaml]", f"{number}.yaml")
    write("model: 1", "15.yaml")
    assert refusal("extends: 0.yaml").endswith("extends: leads to more than 20 files")


def test_a_link_that_leads_to_itself_is_refused(write, refusal):
    Path("loop.yaml").symlink_to("loop.yaml")
    assert refusal("extends: loop.yaml").startswith("e.yaml:1:10: extends: ")


def test_a_mistake_in_the_base_is_placed_in_the_base(write, refusal):
    write("cell: rnn\ncell: gru\n", "base.yaml")
    message = "base.yaml:2:1: cell: is given twice (first in line 1)"
    assert refusal("extends: base.yaml") == message


def test_a_chain_of_a_thousand_bases_is_read_or_refused(write):
    for number in range(1000):
        write(f"extends: {number + 1}.yaml", f"{number}.yaml")
    write("a: 1", "1000.yaml")
    with contextlib.suppress(seqlab.ExperimentError):
        assert sections("0.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("a=2", 2),
        ("a=1e-3", 0.001),
        ("a=no", "no"),
        ("a=", None),
        ("a=x=y", "x=y"),
        ("a=[1, {b: c}]", [1, {"b": "c"}]),
        ("a.b.c=分开", {"b": {"c": "分开"}}),
        (" a =2", 2),
    ],
)
def test_the_value_of_an_override_is_yaml(read, override, value):
    assert read("a: 1\n", override) == {"a": value}


def test_of_two_overrides_the_later_one_holds(read):
    assert read("a: 1\n", "a=2", "a=3") == {"a": 3}


def test_an_override_may_name_a_section_that_is_new(read):
    assert read("a: 1\n", "train.epochs=2") == {"a": 1, "train": {"epochs": 2}}


@pytest.mark.parametrize("override", ["", "a", "=1", "a.=1", ".a=1", "a..b=1", " =1"])
def test_an_override_without_a_key_is_a_mistake_of_use(read, override):
    with pytest.raises(UsageError, match=r"should be KEY=VALUE, as in train\.epochs=2"):
        read("a: 1\n", override)


@pytest.mark.parametrize("value", ["[", "'", "a: b: c", "*x", "!!python/name:os 1", "{a: 1, a: 2}"])
def test_an_override_that_is_no_yaml_is_named(refusal, value):
    assert refusal("a: 1\n", f"a={value}").startswith(f'overrides=["a={value}"]')


@pytest.mark.timeout(10)
@pytest.mark.parametrize("override", ["a=" + "[" * 3000, ".".join("a" * 3000) + "=1"])
def test_an_override_that_nests_without_end_is_refused(refusal, override):
    assert "nests deeper than 50 levels" in refusal("a: 1\n", override)


def test_an_override_is_its_own_place(write):
    tree = seqlab.read_experiment(write("a: 1"), ["a=[1, {b: 2}]"]).tree
    assert str(tree.at(["a", 1, "b"]).origin) == 'overrides=["a=[1, {b: 2}]"]'


def test_a_mapping_reads_as_the_file_that_says_the_same(write, tiny):
    experiment = seqlab.read_experiment(tiny)
    assert sections(write(experiment.source)) == plain(experiment.tree) == tiny


def test_a_mapping_may_hold_paths_and_tuples_and_other_mappings(write):
    source = MappingProxyType({"a": Path("x"), "b": (1, 2), "c": MappingProxyType({"d": 1})})
    experiment = seqlab.read_experiment(source)
    assert plain(experiment.tree) == {"a": "x", "b": [1, 2], "c": {"d": 1}}
    assert sections(write(experiment.source)) == plain(experiment.tree)


def test_overrides_are_laid_over_a_mapping_too():
    assert sections({"a": {"b": 1, "c": 2}}, "a.b=3") == {"a": {"b": 3, "c": 2}}


def test_an_experiment_does_not_change_with_the_mapping_it_came_from():
    source = {"a": {"b": [1]}}
    experiment = seqlab.read_experiment(source)
    source["a"]["b"].append(2)
    assert plain(experiment.tree) == {"a": {"b": [1]}}


def _endless() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    return endless


@pytest.mark.parametrize(
    "value",
    [{1}, object(), np.float32(1), b"x", {1: 2}, {None: 2}, _endless(), float],
    ids=["set", "object", "numpy", "bytes", "number as key", "None as key", "endless", "type"],
)
def test_a_mapping_that_yaml_cannot_say_is_refused_with_its_key(value):
    with pytest.raises(seqlab.ExperimentError, match=r"^experiment: cell\.x"):
        seqlab.read_experiment({"cell": {"x": value}})


SECRETS = {
    "shadow": "root:$6$SALT$HASH1:19700:0:::\nalice:$6$SALT$HASH2:19700:0:::\n",
    "secrets.yaml": "database:\n  password: HASH1\n",
    "key": "-----BEGIN HASH1-----\n\tHASH2: [\n",
    "lines": "- HASH1\n- HASH2\n",
    "tagged": "a: !HASH1 b\n",
    "tagged.yaml": "a: !HASH1 b\n",
    "twice.yaml": "HASH1: a\nHASH1: b\n",
    "number.yml": "a: !!int HASH1\n",
}


@pytest.mark.parametrize("name", SECRETS)
def test_of_a_file_that_is_no_experiment_not_a_word_is_told(refusal, write, name):
    write(SECRETS[name], name)
    message = refusal(f"train: {{}}\nextends: {name}")
    assert message.startswith("e.yaml:2:10: extends: ")
    assert "is not an experiment" in message
    assert "HASH" not in message
    assert "password" not in message


def test_of_an_experiment_with_a_mistake_the_mistake_is_told(refusal, write):
    write("train: {steps: 1\ncell: gru\n", "base.yaml")
    assert refusal("extends: base.yaml").startswith("base.yaml:1:8:")


def test_a_pipe_that_lies_about_is_refused_and_one_of_a_shell_is_read(write, tmp_path):
    os.mkfifo("pipe.yaml")
    with pytest.raises(seqlab.ExperimentError, match="it is a pipe, not a file"):
        seqlab.read_experiment("pipe.yaml")
    reading, writing = os.pipe()
    os.write(writing, b"model: {layers: 2}")
    os.close(writing)
    assert sections(f"/dev/fd/{reading}") == {"model": {"layers": 2}}
    os.close(reading)


def test_the_record_of_a_run_leads_to_no_other_file(write):
    write("model: 1", "base.yaml")
    with pytest.raises(seqlab.ExperimentError, match="extends: should not be in the record"):
        seqlab.read_experiment(write("extends: base.yaml"), record=True)
    Path("link.yaml").symlink_to("base.yaml")
    with pytest.raises(seqlab.ExperimentError, match="is a link"):
        seqlab.read_experiment("link.yaml", record=True)


@pytest.mark.parametrize("orders", [(0, 1), (1, 0)])
def test_the_order_in_which_a_name_and_an_option_are_set_changes_nothing(write, orders):
    file = write("optimizer: {name: adam, lr: 1, betas: [0.5, 0.6]}")
    overrides = ["optimizer.lr=7", "optimizer.name=sgd"]
    section = sections(file, *[overrides[i] for i in orders])["optimizer"]
    assert (section["name"], section["lr"]) == ("sgd", 7)


def test_an_option_that_a_later_section_replaces_is_told(write):
    file = write("optimizer: {name: adam, lr: 1}")
    experiment = seqlab.read_experiment(file, ["optimizer.lr=7", "optimizer={name: sgd}"])
    (notice,) = experiment.notices
    assert notice.startswith('optimizer.lr (overrides=["optimizer.lr=7"]) is lost')


@pytest.mark.parametrize(
    ("overrides", "lost"),
    [
        (["cell.layers.0.size=7", "cell.layers=[{name: mlp}]"], ["cell.layers.0.size"]),
        (["cell.layers.0.size=7", "cell.layers.0={name: mlp}"], ["cell.layers.0.size"]),
        (["cell.layers.0.size=7", "cell={name: rnn}"], ["cell.layers.0.size"]),
        (["cell.layers.0.size=7", "cell.layers.0=mlp"], []),
        (["cell.layers.0.size=7", "cell.layers.0.size=8"], []),
        (["cell.layers.0.size=7", "cell.layers=null"], []),
        (["cell=rnn", "cell.size=3", "cell={name: gru, size: 4}"], []),
        (["cell.paths=[a, b]", "cell.paths=[c]"], []),
    ],
)
def test_an_option_is_told_of_at_any_depth_if_what_it_is_in_is_replaced(write, overrides, lost):
    file = write("cell: {name: stack, layers: [{name: gru, size: 1}]}")
    notices = seqlab.read_experiment(file, overrides).notices
    assert [notice.partition(" ")[0] for notice in notices] == lost


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
@pytest.mark.parametrize("words", ["我的歌", "我们的歌在风里慢慢地唱，谁也不愿先离开。" * 9])
def test_an_experiment_in_another_encoding_is_told_what_it_may_be(encoding, words):
    text = f"# {words}\ncorpus: original_lyrics\ncell: rnn\n"
    Path("mine.yaml").write_bytes(text.encode(encoding))
    with pytest.raises(seqlab.ExperimentError) as caught:
        seqlab.read_experiment("mine.yaml")
    message = str(caught.value)
    assert message.startswith("mine.yaml: is not UTF-8 text (byte ")
    assert f"it may be {encoding}" in message
    assert message.endswith("save it as UTF-8")
