"""Hosts on one machine: network namespaces that share a bridge. Needs Linux, root and `ip`."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

INTERFACE = "eth0"
NETWORK = "10.77.77"


@dataclass(frozen=True)
class Host:
    """A network namespace with one interface."""

    name: str
    address: str

    def command(self, words: Sequence[str]) -> list[str]:
        """What runs a command on this host."""
        return ["ip", "netns", "exec", self.name, *words]

    def cut_off(self) -> None:
        """Take the cable out."""
        _ip("-n", self.name, "link", "set", INTERFACE, "down")


def can_make_hosts() -> bool:
    """Whether this machine lets us."""
    return shutil.which("ip") is not None and os.geteuid() == 0


@contextmanager
def network(count: int, rate: str | None = None) -> Iterator[list[Host]]:
    """Make hosts that reach each other, inside the block; `rate`, as 1gbit, is what each sends."""
    prefix = f"sq{uuid.uuid4().hex[:8]}"
    hosts = [Host(f"{prefix}-{k}", f"{NETWORK}.{k + 1}") for k in range(count)]
    bridge = f"{prefix}b"
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for number, host in enumerate(hosts):
            _connect(host, f"{prefix}v{number}", bridge)
            if rate is not None:
                _limit(host, rate)
        yield hosts
    finally:
        for host in hosts:
            _ip("netns", "del", host.name, check=False)
        for number in range(count):
            _ip("link", "del", f"{prefix}v{number}", check=False)
        _ip("link", "del", bridge, check=False)


def _connect(host: Host, cable: str, bridge: str) -> None:
    """Make a host, with a cable to the bridge."""
    _ip("netns", "add", host.name)
    _ip("link", "add", cable, "type", "veth", "peer", "name", INTERFACE, "netns", host.name)
    _ip("link", "set", cable, "master", bridge, "up")
    _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", INTERFACE)
    for device in ("lo", INTERFACE):
        _ip("-n", host.name, "link", "set", device, "up")


def _limit(host: Host, rate: str) -> None:
    words = ["tc", "qdisc", "add", "dev", INTERFACE, "root", "tbf", "rate", rate]
    subprocess.run(host.command([*words, "burst", "256kb", "latency", "50ms"]), check=True)


def _ip(*words: str, check: bool = True) -> None:
    command = ("ip", *words)
    subprocess.run(command, check=check, capture_output=not check)
