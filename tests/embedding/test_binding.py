"""Memory that was bound page by page, as OpenVINO leaves it, does not cost a mapping a page for ever."""

from __future__ import annotations

import ctypes
import mmap
import sys
from ctypes import c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p
from pathlib import Path

import pytest

from dinosearch.embedding.runtimes import binding

PAGES, BIND, NODE = 400, 2, 1  # MPOL_BIND; a set of nodes with the first one alone


def mappings() -> int:
    return len(Path("/proc/self/maps").read_bytes().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="another system has no such call")
def test_mappings_of_bound_pages_grow_together_again() -> None:
    number = binding._MBIND.get(binding.platform.machine())
    if number is None:
        pytest.skip("the number of the call is not known on this processor")
    call, nodes = ctypes.CDLL(None).syscall, c_ulong(NODE)
    memory = mmap.mmap(-1, PAGES * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"\x07" * len(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    before = mappings()
    for page in range(0, PAGES, 2):
        where = c_void_p(start + page * mmap.PAGESIZE)
        size = c_size_t(mmap.PAGESIZE)
        if call(c_long(number), where, size, c_int(BIND), ctypes.byref(nodes), c_ulong(64), c_uint(0)):
            pytest.skip("this machine does not let memory be bound")
    assert mappings() >= before + PAGES - 10
    binding.unbind_memory()
    assert abs(mappings() - before) < 20  # some others may have come or gone
    assert memory[:] == b"\x07" * len(memory)


def test_a_system_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding.platform, "machine", lambda: "sparc")
    monkeypatch.setattr(binding, "_heaps", lambda: pytest.fail("nothing is looked at"))
    binding.unbind_memory()
