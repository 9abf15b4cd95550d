"""Pushing a run to a model hub and opening it from there, by a hub on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import seqlab

from .hub_server import TOKEN, hub_server

pytest.importorskip("huggingface_hub")
# Two of its own dependencies disagree.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch):
    """A hub to which the token may write."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "no-token")
    with hub_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def run(trained_once):
    return seqlab.open_run(shutil.copytree(trained_once, "here"))


def pushed(run, **options):
    """The address of a run that was pushed to `me/model`."""
    exported = run.export("hub", repo="me/model", **options)
    assert exported.folder is None
    return exported.address


def test_a_run_that_was_pushed_is_opened_by_its_address_with_the_same_logits(hub, run):
    address = pushed(run)
    opened = seqlab.open_run(address)
    ids = run.tokenizer.encode("the quick brown fox")
    assert torch.equal(opened.model(ids), run.model(ids))
    assert address == f"hf://me/model@{hub.repositories['me/model'].branches['main']}"
    assert seqlab.open_run("hf://me/model").path == opened.path


def test_what_is_pulled_lies_in_the_cache_as_files_without_links_or_notes(hub, run):
    folder = seqlab.open_run(pushed(run)).path
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert files == hub.repositories["me/model"].commits[folder.name]
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert folder.parents[1] == folder.parents[2] / "hub"


def test_a_run_that_is_fetched_in_part_is_not_there(hub, run, tmp_path):
    address = pushed(run)
    hub.withheld = {"metrics.jsonl"}
    with pytest.raises(seqlab.SeqlabError, match="hf://me/model@"):
        seqlab.open_run(address)
    assert not [path for path in tmp_path.rglob("run.json") if "hub" in path.parts]
    hub.withheld = set()
    assert seqlab.open_run(address).metrics


def test_a_commit_that_was_pulled_needs_no_hub(hub, run, monkeypatch):
    address = pushed(run)
    seqlab.open_run(address)
    asked = len(hub.requests)
    monkeypatch.setenv("SEQLAB_OFFLINE", "1")
    assert seqlab.open_run(address).generate("the")[0].text
    assert len(hub.requests) == asked
    with pytest.raises(seqlab.UsageError, match="SEQLAB_OFFLINE is set"):
        seqlab.open_run("hf://me/model")


def test_another_push_replaces_the_checkpoint_and_leaves_other_files(hub, run):
    pushed(run)
    repository = hub.repositories["me/model"]
    repository.commits[repository.branches["main"]]["notes.txt"] = b"mine"
    longer = run.resume(overrides={"train.epochs": 2})
    opened = seqlab.open_run(pushed(longer))
    assert len(list((opened.path / "checkpoints").iterdir())) == 1
    assert opened.description["step"] == longer.description["step"]
    assert repository.commits[repository.branches["main"]]["notes.txt"] == b"mine"


def test_files_of_another_exporter_go_to_a_branch_of_a_private_repository(hub, run):
    address = pushed(run, inner="torch_export", branch="pt2", private=True)
    repository = hub.repositories["me/model"]
    assert repository.private
    assert {*repository.commits[repository.branches["pt2"]]} == {
        "README.md", "model.pt2", "step.json"
    }  # fmt: skip
    with pytest.raises(seqlab.UsageError, match=r"is no run of seqlab: it has no run\.json"):
        seqlab.open_run(address)


def test_the_token_is_sent_to_the_hub_and_written_nowhere(hub, run):
    folder = seqlab.open_run(pushed(run)).path
    assert {token for _, path, token in hub.requests if path.startswith("/api")} == {
        f"Bearer {TOKEN}"
    }
    everything = [*folder.rglob("*"), *Path().rglob("*")]
    assert not [p for p in everything if p.is_file() and TOKEN.encode() in p.read_bytes()]


def test_without_a_token_nothing_is_sent(hub, run, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(seqlab.UsageError, match="no token: set HF_TOKEN, or log in with `hf auth"):
        pushed(run)
    assert hub.requests == []


def test_a_token_that_may_not_write_is_told_in_one_line(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(seqlab.RunFailed) as refused:
        pushed(run)
    expected = "exporter 'hub' cannot send it: the token may not write to me/model"
    assert str(refused.value) == expected


@pytest.mark.parametrize("address", ["hf://me/model@missing", "hf://me/other"])
def test_what_is_not_on_the_hub_is_told(hub, run, address):
    pushed(run)
    with pytest.raises(seqlab.UsageError, match="there is no such model or revision on the hub"):
        seqlab.open_run(address)


def test_a_private_run_is_not_read_without_its_token(hub, run, monkeypatch):
    pushed(run, private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(seqlab.UsageError, match="may not be read without a token"):
        seqlab.open_run("hf://me/model")


@pytest.mark.parametrize("address", ["hf://model", "hf://me/../x", "hf://me/model@", "hf://me/a b"])
def test_what_is_no_address_is_told(hub, address):
    with pytest.raises(seqlab.UsageError, match="is no address of a hub, such as hf://OWNER/NAME"):
        seqlab.open_run(address)
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["model", "me/", "a/b/c", "me/mö", "../model"])
def test_what_is_no_repository_is_told(run, repo):
    with pytest.raises(seqlab.ExperimentError, match="repo: should be OWNER/NAME, such as me/mode"):
        run.export("hub", repo=repo)


def test_a_hub_that_does_not_answer_is_told(run, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(seqlab.RunFailed, match="hf://me/model': cannot be fetched"):
        seqlab.open_run("hf://me/model")
    with pytest.raises(seqlab.RunFailed, match="exporter 'hub' cannot send it: "):
        pushed(run)


def test_an_exporter_that_sends_files_elsewhere_is_no_inner_one(run):
    with pytest.raises(seqlab.ExperimentError, match="inner: sends a model elsewhere"):
        pushed(run, inner={"name": "hub", "repo": "me/other"})
