"""A step asks for the memory that the one before it had, and gets it."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys

import pytest

COUNT, FLOATS = 4, 6 * 2**20  # 24 MiB each
GENEROUS = {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536"}  # always gives back
BLOCKS = """
import resource, torch
from seqlab.kernels.allocator import keep_freed_memory
{first}
def step():
    [torch.ones({floats}) for _ in range({count})]
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
before = faults()
step()
print(faults() - before)
"""


def faults(first: str) -> int:
    command = [sys.executable, "-c", BLOCKS.format(first=first, floats=FLOATS, count=COUNT)]
    env = os.environ | GENEROUS
    return int(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_memory_that_is_asked_for_again_is_not_paid_for_again():
    pages = COUNT * FLOATS * 4 // resource.getpagesize()
    assert faults("keep_freed_memory()") < pages / 100 < faults("pass")


def test_elsewhere_nothing_is_done(monkeypatch):
    from seqlab.kernels.allocator import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("a library was called"))
    keep_freed_memory.__wrapped__()
