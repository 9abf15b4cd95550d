"""A process of a launch that cannot reach the others says so in one line, and ends."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
import torch

from seqlab.distributed import joining
from seqlab.distributed.launched import Launched
from seqlab.errors import RunFailed


@pytest.fixture
def meet(monkeypatch):
    """Meet as a rank of two, at a host and port."""

    def meet(rank: int, host: str, port: int) -> None:
        monkeypatch.setattr(joining, "JOINING", timedelta(seconds=1))
        monkeypatch.setenv("MASTER_ADDR", host)
        monkeypatch.setenv("MASTER_PORT", str(port))
        with joining.joined(Launched(rank, 2, rank, 2, "it", 0), torch.device("cpu")):
            pass

    return meet


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(("host", "reason"), [("127.0.0.1", "refused"), ("no.such.host", "known")])
def test_a_meeting_point_that_cannot_be_reached_is_one_line(meet, capfd, host, reason):
    port = free_port()
    with pytest.raises(RunFailed, match=rf"cannot meet at {host}:{port} \(.*{reason}"):
        meet(1, host, port)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_one_line(meet):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        with pytest.raises(RunFailed, match="address already in use"):
            meet(0, "127.0.0.1", taken.getsockname()[1])
