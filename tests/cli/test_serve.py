"""`seqlab serve`: the address it prints, how it ends, and what it says if it cannot begin."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from seqlab.web.serving import Address

pytest.importorskip("uvicorn", reason="the extra `web` is not installed")


@contextmanager
def served(*options: str):
    command = [sys.executable, "-m", "seqlab", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_the_address_has_a_token_that_lets_in_and_ctrl_c_ends_the_server(make_run):
    make_run("runs/tiny/here")
    with served() as (process, address):
        server, _, token = address.partition("/#token=")
        assert server.startswith("http://127.0.0.1:")
        assert len(token) >= 32
        with urlopen(f"{server}/") as page:  # noqa: S310 # our own
            assert b"<title>seqlab</title>" in page.read()
        with pytest.raises(HTTPError, match="401"):
            urlopen(f"{server}/api/events")  # noqa: S310 # likewise
        given = Request(f"{server}/api/events", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 # likewise
        with urlopen(given) as events:  # noqa: S310 # likewise
            assert events.readline() == b"event: table\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        assert "Traceback" not in process.stderr.read()


def test_a_port_that_is_taken_is_one_line(seqlab_command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = seqlab_command("serve", "--port", taken.getsockname()[1])
    assert result.code == 2
    assert "take another port" in result.err


def test_a_missing_package_is_one_line_that_says_what_to_install(seqlab_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = seqlab_command("serve", "--port", "0")
    assert result.code == 2
    assert "pip install 'seqlab[web]'" in result.err


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (Address(), {"127.0.0.1:7", "localhost:7"}),
        (Address("localhost"), {"127.0.0.1:7", "localhost:7"}),
        (Address("10.0.0.5"), {"10.0.0.5:7"}),
        (Address("::1"), {"[::1]:7", "127.0.0.1:7", "localhost:7"}),
        (Address("10.0.0.5", names=("Lab.example",)), {"10.0.0.5:7", "lab.example:7"}),
    ],
)
def test_a_server_answers_to_its_own_names_alone(address, expected):
    assert address.hosts(7) == expected


def test_a_server_for_all_machines_answers_to_the_name_of_its_own():
    names = Address("0.0.0.0").hosts(7)  # noqa: S104 # it is not opened
    assert f"{socket.gethostname().lower()}:7" in names
    assert "0.0.0.0:7" not in names


def test_a_folder_that_is_not_there_yet_is_told(make_run):
    with served("--root", "nowhere") as (process, address):
        assert address
        process.terminate()
        assert "there is no such folder yet" in process.communicate()[1]
    assert not Path("nowhere").exists()
