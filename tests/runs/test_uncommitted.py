"""What is not committed is in the run folder, without secrets, and nothing of git runs."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

import seqlab
from seqlab.runs.uncommitted import code_state

GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "core.quotePath=true"]


def git(*arguments, **options):
    done = subprocess.run([*GIT, *arguments], capture_output=True, text=True, check=True, **options)
    return done.stdout


@pytest.fixture
def project(tiny):
    """A repository with an experiment and some code, in the working folder."""
    Path("experiment.json").write_text(json.dumps(tiny))
    Path("a folder").mkdir()
    Path("a folder", "模型.py").write_text("".join(f"line {n}\n" for n in range(40)))
    Path("gone.txt").write_text("no newline at the end")
    Path("kept.sh").write_text("echo\n")
    Path(".gitignore").write_text("r*/\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")


@pytest.fixture
def record(project):
    """Run the experiment: what `run.json` says of the repository, and the patch."""

    def record(folder="r"):
        run = seqlab.run("experiment.json", run_dir=folder)
        patch = run.path / "diff.patch"
        return run.description["git"], patch.read_text() if patch.exists() else None

    return record


def change_everything():
    code = Path("a folder", "模型.py")
    code.write_text(code.read_text().replace("line 3\n", "line three\n").replace("line 30", "x"))
    Path("gone.txt").unlink()
    Path("kept.sh").chmod(0o755)
    Path("new.py").write_text("added = 1\nwithout_end = 2")
    Path("link").symlink_to("kept.sh")
    git("add", "new.py", "link")


def test_a_repository_without_changes_is_clean_and_has_no_patch(record):
    assert record() == ({"commit": git("rev-parse", "HEAD").strip(), "clean": True}, None)


def test_what_is_in_no_repository_has_no_patch(tiny):
    run = seqlab.run(tiny, run_dir="r")
    assert run.description["git"] is None
    assert not (run.path / "diff.patch").exists()


def test_the_patch_makes_of_the_commit_what_was_there(record):
    change_everything()
    state, patch = record()
    assert state["clean"] is False
    expected = git("diff", "HEAD", "--no-renames")
    git("stash", "-q")
    git("apply", "--index", "-", input=patch)
    assert git("diff", "HEAD", "--no-renames") == expected


def test_the_experiments_repository_is_looked_at_wherever_it_is_run(record, tmp_path, monkeypatch):
    Path("kept.sh").write_text("other\n")
    experiment, elsewhere = Path("experiment.json").absolute(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert "+other\n" in (seqlab.run(experiment, run_dir="r").path / "diff.patch").read_text()


def test_untracked_files_are_named_and_not_contained(record):
    Path("notes").mkdir()
    Path("notes", "idea.txt").write_text("a thought of mine")
    Path("ran").mkdir()
    Path("ran", "ignored.txt").touch()
    Path("a folder", "b.txt").touch()
    state, patch = record()
    assert state["clean"] is True
    assert patch.splitlines()[1:] == [
        "# Not tracked, and not in this patch:",
        "#   a folder/b.txt",
        "#   notes/",
    ]


@pytest.mark.parametrize("name", [".env", "server.pem", "credentials.json", ".ssh/config"])
def test_a_file_of_secrets_is_named_and_not_contained(project, name):
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("open sesame")
    git("add", "-f", name)
    patch = uncommitted()
    assert f"#   {name}: its name is one of secrets\n" in patch
    assert "sesame" not in patch


def uncommitted(seconds=60.0):
    """The patch of the working folder, without a run."""
    return code_state([Path.cwd()], seconds).patch.decode()


SECRETS = [
    'password = "sesame"',
    "db_password: sesame1234",
    "export API_KEY=sesame1234",
    'api_key: str = "sesame1234"',
    "run --token sesame1234",
    "hf_token = 'hf_sesame1234sesame1234sesame1234'",
    "call(ghp_sesame1234sesame1234sesame1234)",
    "git+https://me:sesame1234@example.org/x.git",
    '{"client_secret": "sesame"}',
    "Authorization: Bearer sesame1234sesame1234",
    "-----BEGIN RSA PRIVATE KEY-----\nsesame1234sesame\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_masked(project, line):
    Path("kept.sh").write_text(f"echo\n{line}\n")
    patch = uncommitted()
    assert "sesame" not in patch
    assert "***" in patch
    assert "# *** stands for what looks like a secret" in patch


NO_SECRETS = """
tokens = tokenizer.encode("abcdefgh12345")
token: Tensor = self.tokens[index_1234567]
end_token = "<|endoftext|>"
tokenizer: {name: characters, unknown: token}
password = getpass.getpass()
see https://example.org/a:b@c
token_bytes(id_1234567890abc)
"""


def test_what_is_no_secret_is_as_it_is(project):
    Path("kept.sh").write_text(NO_SECRETS)
    patch = uncommitted()
    assert "***" not in patch


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\0" * 10, "it is no text"),
        (b"x" * 20_000, "a line is too long"),
        (b"word\n" * 300_000, "the record has 1,048,576 bytes at most"),
        (b"word\n" * 1_000_000, "it is too large"),
    ],
)
def test_what_is_left_out_is_named_with_its_reason(project, content, why):
    Path("kept.sh").write_bytes(content)
    assert f"#   kept.sh: {why}\n" in uncommitted()


def test_line_ends_of_another_system_are_no_change(project):
    Path("kept.sh").write_bytes(b"echo\r\n")
    assert uncommitted() == ""


@pytest.mark.parametrize(
    "setting", ["core.fsmonitor", "diff.external", "diff.x.textconv", "filter.x.clean"]
)
def test_no_program_that_the_repository_names_is_run(record, setting):
    change_everything()
    Path(".gitattributes").write_text("* filter=x diff=x\n")
    git("config", setting, "touch EXECUTED; cat")
    index = Path(".git/index").read_bytes()
    assert record()[0]["clean"] is False
    assert not Path("EXECUTED").exists()
    assert Path(".git/index").read_bytes() == index


@pytest.mark.parametrize("damage", ["index", "objects"])
def test_a_broken_repository_is_a_warning_and_the_run_goes_on(record, damage, caplog):
    commit = git("rev-parse", "HEAD").strip()
    if damage == "index":
        Path(".git/index").write_bytes(b"DIRC damaged")
    else:
        Path(".git/objects").rename("elsewhere")
    state, patch = record()
    assert state == {"commit": commit, "clean": None}
    assert patch is None
    assert "is not recorded" in caplog.text


def test_a_repository_that_takes_too_long_is_a_line_of_the_patch(project):
    change_everything()
    assert uncommitted(0.0).splitlines()[1:] == [
        "# Changed, and not in this patch:",
        "#   whatever else has changed: it takes too long to look at all files",
    ]
    assert code_state([Path.cwd()], 0.0).git["clean"] is None


def test_a_large_change_is_compared_in_bounded_time(project):
    lines = [f"{n % 7} {n}" for n in range(30_000)]
    Path("kept.sh").write_text("\n".join(lines))
    git("commit", "-aqm", "x")
    Path("kept.sh").write_text("\n".join(lines[::-1]))
    before = time.monotonic()
    patch = uncommitted()
    assert time.monotonic() - before < 20
    git("stash", "-q")
    git("apply", "-", input=patch)
    assert Path("kept.sh").read_text() == "\n".join(lines[::-1])


def test_a_resumed_run_records_what_is_there_now(record, caplog):
    record()
    Path("kept.sh").write_text("other\n")
    run = seqlab.resume("r", overrides=["train.epochs=2"])
    assert run.description["git"]["clean"] is False
    assert "+other\n" in (run.path / "diff.patch").read_text()
    assert "The repository is not as it was before" in caplog.text
