"""What a shell is told that may follow, and what installing that changes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tmux import Tmux, needs_tmux

from seqlab.cli.main import seqlab
from seqlab.cli.shells import SHELLS, VARIABLE
from seqlab.registry.kept_plugins import know_plugins

ASKS = """
import os, sys
from seqlab.cli.main import main
try:
    main()
finally:
    loaded = {"torch", "numpy", "pluggy", "rich"} & sys.modules.keys()
    os.write(1, f"loaded: {sorted(loaded)}".encode())
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    """A cache that knows the plugins which are installed."""
    folder = str(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as own:
        own.setenv("SEQLAB_CACHE", folder)
        know_plugins(local=False)
    return folder


@pytest.fixture
def completed(cache, monkeypatch) -> Callable[..., list[str]]:
    """The words with which a line may go on, as zsh is told them."""
    monkeypatch.setenv("SEQLAB_CACHE", cache)

    def completed(line: str, shell: str = "zsh") -> list[str]:
        monkeypatch.setenv("COMP_LINE", f"seqlab {line}")
        answer = SHELLS[shell](seqlab, {}, "seqlab", VARIABLE).complete()
        return [word.partition("\t")[0] for word in answer.splitlines()]

    return completed


@pytest.fixture
def asked(cache, tmp_path) -> Callable[..., str]:
    """Ask a process of its own, as a shell does; return all that it says."""

    def asked(line: str, **environment: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", ASKS], capture_output=True, text=True, check=False,
            env=os.environ | {"SEQLAB_CACHE": cache, VARIABLE: "fish_complete",
                              "COMP_LINE": f"seqlab {line}"} | environment,
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    return asked


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("expl", ["explain"]),
        ("plugins d", ["disable"]),
        ("run --prof", ["--profile"]),
        ("run t", ["tiny.yaml"]),
        ("run tiny.yaml --set opt", ["optimizer=", "optimizer."]),
        ("run tiny.yaml --set optimizer.l", ["optimizer.lr="]),
        ("run tiny.yaml --set optimizer.lr=", ["optimizer.lr=0.01"]),
        ("run tiny.yaml --set cell=ls", ["cell=lstm"]),
        ("run tiny.yaml --set=cell=ls", ["--set=cell=lstm"]),
        ("run --set cell=ls", ["cell=lstm"]),
        ("run tiny.yaml --set cell=gru --set cell.hid", ["cell.hidden_size="]),
        ("run tiny.yaml --set nonsense --set cell=ls", ["cell=lstm"]),
        ("run tiny.yaml --set train.compile=", ["train.compile=true", "train.compile=false"]),
        ("run tiny.yaml --set train.precision=b", ["train.precision=bfloat16"]),
        ("run tiny.yaml --set train.checkpoint.k", ["train.checkpoint.keep="]),
        ("run tiny.yaml --set corpus.path=te", ["corpus.path=text.txt"]),
        ("run tiny.yaml --set cell.nothing.x", []),
        ("run missing.yaml --set cell=ls", ["cell=lstm"]),
        ("explain tiny.yaml cell.h", ["cell.hidden_size"]),
        ("plugins show ce", ["cell"]),
        ("plugins show cell ls", ["lstm"]),
        ("plugins show nothing ls", []),
        ("plugins disable seqlab-bea", ["seqlab-beam"]),
        ("run tiny.yaml --no-plugin seqlab-bea", ["seqlab-beam"]),
        ("runs --sort per", ["perplexity"]),
        ("runs --where stat", ["status="]),
        ("completion install --shell z", ["zsh"]),
    ],
)
def test_a_line_goes_on_as_what_is_there_allows(completed, experiment, line, words):
    assert completed(line) == words


def test_options_of_components_inside_of_components_are_known(completed):
    layers = "[{name: residual, inner: {name: gru, hidden_size: 8}}, rnn]"
    Path("deep.yaml").write_text(f"cell: {{name: stack, layers: {layers}}}\n")
    begin = "run deep.yaml --set cell.layers."
    assert completed(f"{begin}0.inner=mg") == []
    assert completed(f"{begin}0.inner=mi") == ["cell.layers.0.inner=min_gru"]
    assert completed(f"{begin}0.inner.hid") == ["cell.layers.0.inner.hidden_size="]
    assert completed(f"{begin}1.hid") == ["cell.layers.1.hidden_size="]


def test_generating_is_offered_settings_of_its_decoder_alone(completed, make_run):
    make_run("runs/jay/one")
    assert completed("generate jay --set ") == ["decoder=", "decoder."]
    options = completed("generate jay --decoder sample --set decoder.")
    assert {"decoder.temperature=", "decoder.top_k="} <= {*options}
    assert not [word for word in options if not word.startswith("decoder.")]


def test_options_of_the_exporter_that_is_named_are_completed(completed, make_run):
    make_run("runs/jay/one")
    assert completed("export jay --to folder --set ") == ["license="]


def test_runs_are_completed_by_name_tag_and_id_and_checkpoints_by_step(completed, make_run):
    path = make_run("runs/songs/20260101T000000Z-abc123")
    make_run("runs/songs/20260101T000000Z-abd456")
    Path(path, "notes.json").write_text('{"format": 1, "tags": ["baseline"], "note": ""}')
    assert completed("resume ") == ["latest", "songs", "baseline"]
    assert completed("generate so") == completed("score so") == completed("plot so") == ["songs"]
    assert completed("eval songs --checkpoint b") == ["best"]
    assert completed("generate songs --decoder gr") == ["greedy"]
    assert completed("resume abc") == ["abc123"]
    assert completed("runs rm songs ba") == ["baseline"]
    assert completed("runs no") == ["note"]
    assert completed("compare runs/so") == ["runs/songs/"]
    (step,) = completed("resume abc123 --checkpoint ")
    assert Path(path, "checkpoints", f"step-{int(step):08d}").is_dir()
    assert completed("resume abc123 --set cell.hid") == ["cell.hidden_size="]


def test_bash_gets_what_follows_a_sign_that_breaks_words_and_quotes(completed, experiment):
    assert completed("run tiny.yaml --set cell=ls", "bash") == ["lstm"]
    assert completed("run tiny.yaml --set=cell=ls", "bash") == ["lstm"]
    Path("a (b).yaml").write_text("")
    assert completed("run a", "bash") == [r"a\ \(b\).yaml"]


def test_a_name_with_control_characters_is_not_completed(completed):
    Path("a\x1b[31m.yaml").write_text("")
    Path("a.yaml").write_text("")
    assert completed("run a") == ["a.yaml"]


def test_nothing_heavy_is_imported_to_complete(asked, experiment):
    assert asked("run tiny.yaml --set cell=ls").splitlines()[1:] == ["loaded: []"]


def test_no_plugin_is_imported_to_complete(asked, drop):
    drop("from pathlib import Path\nPath('imported').touch()")
    assert "lstm" in asked("run --set cell=")
    assert not Path("imported").exists()


@pytest.mark.parametrize(
    ("line", "environment"),
    [
        ("resume missing --checkpoint ", {}),
        ("run --plugins missing --set cell=", {}),
        ("run --set cell=", {"SEQLAB_CONFIG": "/dev/null/x", VARIABLE: "tcsh_complete"}),
        ("run --set cell=", {VARIABLE: ""}),
    ],
)
def test_where_anything_is_wrong_nothing_is_said(asked, line, environment):
    assert asked(line, **environment) == "loaded: []"


# -- in shells

SHELL_COMMANDS = {"bash": "bash --norc -i", "zsh": "zsh -f -i", "fish": "fish --no-config -i"}


@pytest.fixture
def on_path(tmp_path) -> str:
    """A PATH with the command `seqlab` of this Python."""
    command = tmp_path / "bin" / "seqlab"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom seqlab.cli import main\nmain()\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


@needs_tmux
@pytest.mark.parametrize("shell", SHELL_COMMANDS)
def test_a_shell_completes_keys_and_values(seqlab_command, experiment, cache, on_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    Path("script").write_text(seqlab_command("completion", "show", shell).out)
    names = ("PYTHONPATH", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LC_ALL")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    terminal = Tmux(
        SHELL_COMMANDS[shell], environment=kept | {"PATH": on_path, "SEQLAB_CACHE": cache}
    )
    try:
        terminal.type(". ./script; echo re''ady")
        terminal.press("Enter")
        terminal.until("ready")
        terminal.type("seqlab explain tiny.yaml --set ce")
        terminal.press("Tab")
        terminal.until("--set cell")
        terminal.press("C-u")
        terminal.type("seqlab explain tiny.yaml --set optimizer.l")
        terminal.press("Tab")
        terminal.until("--set optimizer.lr=")
        terminal.press("C-u")
        terminal.type("seqlab explain tiny.yaml --set optimizer=adag")
        terminal.press("Tab")
        terminal.type("optimizer.lr")
        terminal.press("Enter")
        terminal.until("optimizer 'adagrad'")
    finally:
        terminal.close()


# -- installing


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {"HOME": home, "XDG_DATA_HOME": home / "data", "SHELL": "/bin/bash"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("ZDOTDIR", raising=False)
    return home


@pytest.mark.parametrize(("shell", "startup"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_installing_adds_one_line_and_uninstalling_takes_it_away(
    seqlab_command, home, shell, startup
):
    before = "alias a=b\r\n\n# no newline at the end"
    (home / startup).write_bytes(before.encode())
    first = seqlab_command("completion", "install", "--shell", shell)
    assert f"Added a line to {home / startup}" in first.out
    installed = (home / startup).read_bytes()
    again = seqlab_command("completion", "install", "--shell", shell)
    assert f"{home / startup} reads it already" in again.out
    assert (home / startup).read_bytes() == installed
    assert installed.decode().startswith(before)
    assert installed.decode().count("completion") == 3  # the file, twice, and the mark
    removed = seqlab_command("completion", "uninstall", "--shell", shell)
    assert f"Took a line out of {home / startup}" in removed.out
    assert (home / startup).read_bytes() == f"{before}\n".encode()
    assert not list((home / "data").rglob("completion.*"))
    nothing = seqlab_command("completion", "uninstall", "--shell", shell)
    assert (nothing.code, nothing.out) == (0, "")
    assert "no completion" in nothing.err


def test_a_startup_file_that_is_a_link_stays_one(seqlab_command, home):
    (home / "dotfiles").write_text("a=b\n")
    (home / "dotfiles").chmod(0o600)
    (home / ".bashrc").symlink_to("dotfiles")
    seqlab_command("completion", "install")
    seqlab_command("completion", "uninstall")
    assert (home / ".bashrc").is_symlink()
    assert (home / "dotfiles").read_text() == "a=b\n"
    assert (home / "dotfiles").stat().st_mode & 0o777 == 0o600


def test_fish_finds_its_file_by_itself(seqlab_command, home, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    file = home / "config/fish/completions/seqlab.fish"
    assert f"Wrote {file}" in seqlab_command("completion", "install", "--shell", "fish").out
    assert file.is_file()
    assert f"Removed {file}" in seqlab_command("completion", "uninstall", "--shell", "fish").out


def test_a_shell_that_is_not_known_is_asked_for(seqlab_command, home, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = seqlab_command("completion", "install")
    assert (result.code, result.out) == (2, "")
    assert "bash, zsh, fish" in result.err


def test_a_startup_file_that_cannot_be_written_is_named(seqlab_command, home):
    (home / ".bashrc").mkdir()
    result = seqlab_command("completion", "install")
    assert result.code == 1
    assert str(home / ".bashrc") in result.err
    assert "Traceback" not in result.err
