"""Files that are no text: read as their bytes, and written so."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqlab_plugins.corpora.token_files import Binary
from seqlab_plugins.tokenizers.basic import Bytes

import seqlab
from seqlab import CorpusError, Ids
from seqlab.cli.main import call
from seqlab.testing import check_corpus

SOUND = bytes([0xFF, 0xFE, 0x80, 0x00]) * 300
EXPERIMENT = {
    "corpus": {"name": "binary", "path": "sound.npy", "holdout": 0.1},
    "tokenizer": "bytes",
    "sampler": {"name": "consecutive", "batch_size": 4, "window": 10},
    "cell": {"name": "gru", "hidden_size": 16},
    "optimizer": {"name": "adam", "lr": 0.02},
    "train": {"epochs": 8, "device": "cpu"},
}


@pytest.fixture
def run(registry):
    Path("sound.npy").write_bytes(SOUND)
    return seqlab.run(EXPERIMENT, run_dir="here", registry=registry)


@given(st.lists(st.binary(min_size=1), min_size=1, max_size=3))
def test_each_file_is_a_document_of_its_bytes(contents):
    paths = [Path(f"{number}.npy") for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    documents = Binary(path=paths).documents("train")
    assert [document.ids.tobytes() for document in documents] == contents


def test_it_keeps_the_promises_of_a_corpus():
    Path("a.bin").write_bytes(SOUND)
    check_corpus(Binary, path=Path("a.bin"))


def test_an_empty_file_is_told():
    Path("a.bin").touch()
    with pytest.raises(CorpusError, match=r"a\.bin: is empty"):
        Binary(path=Path("a.bin")).fingerprint()


def test_token_ids_that_are_no_bytes_are_refused_by_the_tokenizer_of_bytes():
    with pytest.raises(CorpusError, match="tokenizer: ids"):
        Bytes().fit([Ids(np.array([1, 2]))])


def test_a_generated_file_has_the_bytes_themselves(run, capsys):
    call(["generate", "here", "--prefix", "\0", "--greedy", "--length", "39", "--out", "new.bin"])
    assert capsys.readouterr().err.endswith("seqlab: wrote new.bin, 40 bytes\n")
    data = Path("new.bin").read_bytes()
    assert data == (b"\x00" + SOUND)[:40]
    result = run.generate("\0", greedy=True, length=39)[0]
    assert (result.data, result.text) == (data, data.decode("utf-8", "replace"))


def test_stdout_gets_the_bytes_and_nothing_else(run):
    command = [sys.executable, "-m", "seqlab", "generate", "here", "-p", "\n", "--length", "9"]
    done = subprocess.run([*command, "--out", "-"], capture_output=True, env=os.environ, check=True)
    assert done.stdout == run.generate("\n", length=9)[0].data


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["-p", "a", "--num", "2"], "--out x is for one text, and there are 2"),
        (["-p", "a", "-p", "b"], "there are 2: give one --prefix"),
        (["-p", "a", "--json"], "--out and --json exclude each other"),
        (["-p", "a", "--stream"], "--out and --stream exclude each other"),
    ],
)
def test_what_is_not_one_text_is_not_written(trained_once, capsys, more, problem):
    assert call(["generate", str(trained_once), *more, "--out", "x"]) == 2
    assert problem in capsys.readouterr().err
    assert not Path("x").exists()
