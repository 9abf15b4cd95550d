"""The corpus `hugging_face`: datasets that were saved, and those of a hub at a commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from seqlab_plugins.corpora.hugging_face import HuggingFace
from seqlab_plugins.corpora.records import Jsonl

import seqlab
from seqlab import CorpusError, CorpusUnavailable, ExperimentError, read_experiment
from seqlab.cli.main import call
from seqlab.registry import resolve_text
from seqlab.testing import check_corpus
from tests.plugins.file_server import serving
from tests.plugins.hub import COMMIT, CONFIGS, ROWS, as_hub

datasets = pytest.importorskip("datasets", reason="needs the extra `hugging_face`")


@pytest.fixture
def saved(monkeypatch) -> Path:
    """A dataset of three splits, saved."""
    datasets.disable_progress_bars()
    splits = {"train": ["one", "two", "three"], "validation": ["four"], "test": ["five"]}
    made = {
        name: datasets.Dataset.from_dict({"text": texts, "n": list(range(len(texts)))})
        for name, texts in splits.items()
    }
    datasets.DatasetDict(made).save_to_disk("saved")
    return Path("saved")


def texts(corpus: object, split: str = "train") -> list[str]:
    return [d if isinstance(d, str) else "".join(d) for d in corpus.documents(split)]


def complaint(corpus: dict, registry: seqlab.Registry) -> str:
    with pytest.raises(ExperimentError) as caught:
        resolve_text(read_experiment({"corpus": {"name": "hugging_face"} | corpus}), registry)
    return str(caught.value)


def test_each_row_of_a_saved_dataset_is_a_document(saved):
    corpus = HuggingFace(path=saved, valid="validation", test="test")
    assert corpus.splits == ("train", "valid", "test")
    assert [texts(corpus, split) for split in corpus.splits] == [
        ["one", "two", "three"],
        ["four"],
        ["five"],
    ]


def test_a_saved_dataset_without_splits_is_train():
    datasets.Dataset.from_dict({"words": ["one", "two"]}).save_to_disk("saved")
    assert texts(HuggingFace(path=Path("saved"), text="words")) == ["one", "two"]


def test_a_prompt_and_a_completion_are_two_columns():
    rows = {"prompt": ["1+1=", "2+2="], "completion": ["2", "4"]}
    datasets.Dataset.from_dict(rows).save_to_disk("saved")
    from seqlab_plugins.corpora.record_fields import Answer

    (first, _) = HuggingFace(path=Path("saved"), text=Answer()).documents("train")
    assert [(str(piece), getattr(piece, "weight", 1)) for piece in first] == [("1+1=", 0), ("2", 1)]


def test_the_same_rows_have_the_same_fingerprint_wherever_they_are(saved):
    Path("rows.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n')
    assert HuggingFace(path=saved).fingerprint() == Jsonl(path=Path("rows.jsonl")).fingerprint()


def test_a_run_trains_on_a_saved_dataset(tiny, saved):
    tiny["corpus"] = {"name": "hugging_face", "path": str(saved), "valid": "validation"}
    tiny["sampler"] |= {"batch_size": 1, "window": 4}
    run = seqlab.run(tiny, run_dir="one")
    assert run.metrics[-1]["tokens"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "trian"}, "has no split 'trian' (its splits: train, validation, test)"),
        ({"valid": "dev"}, "has no split 'dev' (its splits: train, validation, test)"),
        ({"text": "body"}, "has no column 'body' (text columns: text)"),
        ({"text": "n"}, "column 'n' is int64, no text (that are: text)"),
    ],
)
def test_what_a_dataset_lacks_is_told_with_what_it_has(options, message, saved):
    with pytest.raises(CorpusError) as caught:
        HuggingFace(path=saved, **options)
    assert str(caught.value) == f"saved: {message}"


def test_a_row_without_a_text_is_told_with_its_number():
    datasets.Dataset.from_dict({"text": ["one", None]}).save_to_disk("saved")
    with pytest.raises(CorpusError, match=r"^saved: row 2: field 'text' is null, not a text$"):
        HuggingFace(path=Path("saved")).fingerprint()


def test_folders_without_a_saved_dataset_are_told_apart(saved):
    with pytest.raises(CorpusUnavailable, match="none: there is no such folder"):
        HuggingFace(path=Path("none"))
    Path("empty").mkdir()
    with pytest.raises(CorpusError, match="empty: has no dataset that `save_to_disk` wrote"):
        HuggingFace(path=Path("empty"))
    (saved / "train" / "state.json").write_text("{")
    with pytest.raises(CorpusError, match="saved: cannot be read as a saved dataset"):
        HuggingFace(path=saved)


def test_a_truncated_file_of_arrow_is_refused(saved):
    file = next((saved / "train").glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CorpusError, match="saved: cannot be read as a saved dataset"):
        HuggingFace(path=saved)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "a/b", "revision": "main"}, "should be a commit of 40 hexadecimal digits"),
        ({"dataset": "../b", "revision": COMMIT}, "should be the name of a dataset on the hub"),
        ({"path": "https://example.org/saved"}, "should be a folder on this machine"),
    ],
)
def test_a_source_that_is_not_pinned_or_not_one_is_refused(options, message, registry):
    assert message in complaint(options, registry)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs either `path`, of a saved dataset, or `dataset`"),
        ({"path": Path("a"), "dataset": "a/b", "revision": COMMIT}, "needs either `path`"),
        ({"dataset": "a/b"}, "`dataset` and `revision` belong together"),
        ({"path": Path("a"), "config": "b"}, "`config` is of a dataset on the hub"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HuggingFace(**options)


def test_one_split_cannot_be_two(saved):
    with pytest.raises(ValueError, match="name 'train' twice"):
        HuggingFace(path=saved, valid="train")


def test_a_missing_package_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'seqlab\[hugging_face\]'"):
        HuggingFace(path=Path("saved"))


def test_rows_stream_from_the_disk():
    rows = {"text": [f"{i} " * 5000 for i in range(2000)]}  # 60 MB
    datasets.Dataset.from_dict(rows).save_to_disk("saved")
    del rows
    corpus = HuggingFace(path=Path("saved"))
    tracemalloc.start()
    corpus.fingerprint()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_validating_asks_no_hub(tiny, capsys):
    tiny["corpus"] = {"name": "hugging_face", "dataset": "me/words", "revision": COMMIT}
    Path("e.yaml").write_text(json.dumps(tiny), "utf-8")
    assert call(["validate", "e.yaml"]) == 0
    assert "me/words at 0123456: is not in the cache" in capsys.readouterr().err


def test_it_keeps_every_promise(saved):
    check_corpus(HuggingFace, path=saved, valid="validation")


READ = """
import os
import sys

from seqlab import SeqlabError
from seqlab_plugins.corpora.hugging_face import HuggingFace

for argument in sys.argv[1:]:
    if argument == "offline":
        os.environ["SEQLAB_OFFLINE"] = "1"
        continue
    revision, _, config = argument.partition("/")
    try:
        corpus = HuggingFace(dataset="me/words", revision=revision, config=config or None)
        print(*corpus.documents("train"), sep=", ")
    except SeqlabError as error:
        print(error)
"""


def read_from_hub(endpoint: str, *revisions: str, **environment: str) -> list[str]:
    """What another process reads at some commits, which asks that hub."""
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(Path("hub").absolute()), "HF_TOKEN": "s3cr3t"}
    done = subprocess.run(
        [sys.executable, "-c", READ, *revisions],
        env={**os.environ, **hub, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_dataset_of_the_hub_is_read_at_its_commit_and_then_without_the_hub():
    read, other = ", ".join(ROWS), "f" * 40
    with serving() as server:
        as_hub(server)
        wanted = COMMIT, other, "offline", COMMIT, other
        first, refused, again, offline = read_from_hub(server.url(""), *wanted)
        assert first == again == read
        assert refused.startswith("me/words at fffffff: only another revision is in the cache, and")
        assert offline.endswith("SEQLAB_OFFLINE is set, so nothing is downloaded")
        server.asked.clear()
        first, refused = read_from_hub(server.url(""), COMMIT, other, HF_HUB_OFFLINE="1")
        assert first == read
        assert refused.endswith("HF_HUB_OFFLINE is set, so nothing is downloaded")
        assert [asked for asked in server.asked if "me/words" in asked] == []


def test_the_configurations_of_a_dataset_are_told_where_one_is_missing_or_misspelt():
    with serving() as server:
        as_hub(server, CONFIGS)
        wanted = [COMMIT, f"{COMMIT}/smal", f"{COMMIT}/small"]
        missing, misspelt, read = read_from_hub(server.url(""), *wanted)
    for message in (missing, misspelt):
        assert message.startswith("me/words at 0123456: ")
        assert "small" in message
        assert "large" in message
        assert message.endswith("(`config: NAME`)")
    assert read == ", ".join(ROWS)


def test_a_dataset_that_is_not_on_the_hub_is_told_with_how_to_log_in():
    with serving() as server:
        server.missing = {"X-Error-Code": "RepoNotFound"}
        (message,) = read_from_hub(server.url(""), COMMIT)
    assert message.startswith("me/words at 0123456: is not on the hub, or not for you (")
    assert message.endswith("a login is that of the machine: HF_TOKEN, or `hf auth login`")
    assert "s3cr3t" not in message
