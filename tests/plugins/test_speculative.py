"""A small run proposes, the large one decides: its distribution, exactly."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import seqlab
from seqlab.errors import ExperimentError

LETTERS, LENGTH, DRAWS = "abc", 3, 4000
CHI_SQUARE = 62.0  # with 26 degrees of freedom it is larger once in 10,000 times


TEXT = "".join(np.random.default_rng(0).choice(list(LETTERS), 600, p=[0.6, 0.3, 0.1]))


def train(name, seed, hidden_size, text=TEXT):
    Path(f"{name}.txt").write_text(text)
    experiment = {
        "corpus": {"name": "text", "path": str(Path(f"{name}.txt").absolute())},
        "sampler": {"name": "consecutive", "batch_size": 4, "window": 8},
        "cell": {"name": "rnn", "hidden_size": hidden_size},
        "optimizer": {"name": "adam", "lr": 0.3},
        "train": {"steps": 12, "seed": seed},
        "decoder": "sample",
    }
    return seqlab.run(experiment, run_dir=name)


@pytest.fixture
def runs():
    """A large run and a small one, which differ."""
    return train("large", 1, 12), train("small", 5, 3)


def with_draft(draft, tokens=4, temperature=1.0):
    options = f"draft: {draft}, tokens: {tokens}, temperature: {temperature}"
    return [f"decoder={{name: speculative, {options}}}"]


def probabilities(run, prefix):
    """The probability of each continuation, from the model alone."""
    found = {}
    for letters in product(LETTERS, repeat=LENGTH):
        text = "".join(letters)
        surprisal = run.score(prefix + text).surprisal[-LENGTH:]
        found[text] = float(torch.tensor(surprisal).neg().sum().exp())
    return found


def chi_square(results, expected):
    counts = dict.fromkeys(expected, 0)
    for result in results:
        counts[result.continuation] += 1
    return sum((counts[t] - DRAWS * p) ** 2 / (DRAWS * p) for t, p in expected.items())


@pytest.mark.parametrize("tokens", [1, 2, 5])
def test_it_draws_from_the_distribution_of_the_model_and_not_of_the_draft(runs, tokens):
    large, small = runs
    results = large.generate(
        "ab", length=LENGTH, num=DRAWS, seed=7, overrides=with_draft("small", tokens)
    )
    assert chi_square(results, probabilities(large, "ab")) < CHI_SQUARE
    assert chi_square(results, probabilities(small, "ab")) > 2 * CHI_SQUARE


def ids(run, prefixes=("a", "b", "cab"), length=40, **options):
    return [result.ids for result in run.generate(list(prefixes), length=length, **options)]


def test_without_a_temperature_it_is_greedy(runs):
    large, _ = runs
    for tokens in (1, 3, 8):
        cold = with_draft("small", tokens, 0.0)
        assert ids(large, overrides=cold) == ids(large, overrides=["decoder=greedy"])


def test_continuations_are_the_same_alone_and_in_company_and_differ_by_seed(runs):
    large, _ = runs
    options = {"num": 2, "overrides": with_draft("small")}
    together = ids(large, seed=1, **options)
    assert together == [
        one for p in ("a", "b", "cab") for one in ids(large, [p], seed=1, **options)
    ]
    assert len({*together}) == 6
    assert together != ids(large, seed=2, **options)


def test_log_probabilities_are_those_of_the_model(runs):
    large, _ = runs
    (result,) = large.generate("ab", length=20, overrides=with_draft("small"))
    surprisal = large.score("ab" + result.continuation).surprisal[-20:]
    torch.testing.assert_close(torch.tensor(result.log_probabilities), -torch.tensor(surprisal))


def test_it_ends_where_the_limits_say(runs):
    large, _ = runs
    (result,) = large.generate("ab", length=200, stop=["ca"], overrides=with_draft("small", 8))
    assert result.ended == "stop"
    assert "ca" not in result.continuation
    assert "".join(result.tokens).endswith("ca")


def test_a_draft_of_another_vocabulary_or_none_at_all_is_refused_with_its_place(runs):
    large, _ = runs
    train("other", 1, 3, "abdabd" * 60)
    with pytest.raises(ExperimentError, match=r"decoder: draft: .*another vocabulary: its"):
        large.generate("ab", overrides=with_draft("other"))
    with pytest.raises(ExperimentError, match=r"decoder: draft: .*nowhere"):
        large.generate("ab", overrides=with_draft("nowhere"))


def test_a_draft_is_relative_to_the_file_and_found_when_the_run_is_opened_elsewhere(
    runs, monkeypatch, tmp_path_factory
):
    experiment = yaml.safe_load(Path("large/resolved.yaml").read_text("utf-8"))
    experiment["decoder"] = {"name": "speculative", "draft": "../small"}
    Path("experiments").mkdir()
    Path("experiments/draft.yaml").write_text(yaml.safe_dump(experiment), "utf-8")
    run = seqlab.run(seqlab.read_experiment("experiments/draft.yaml"), run_dir="drafted")
    here = [r.text for r in run.generate("ab", length=20)]
    path = run.path.absolute()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert [r.text for r in seqlab.open_run(path).generate("ab", length=20)] == here
