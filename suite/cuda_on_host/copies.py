"""Copies and fills: what waits for the host and what doesn't, as CUDA does it for pinned and for other memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

from cuda_on_host.ledger import ledger
from cuda_on_host.memory import direction, memory
from cuda_on_host.streams import LEGACY, timeline


@dataclass
class Copy:
    """A copy; `staged` is what it takes instead of the source if that belongs to the host and may change."""

    destination: int
    source: int
    size: int
    way: str
    staged: bytes | None = None

    def run(self) -> None:
        """Copy."""
        ctypes.memmove(self.destination, self.source if self.staged is None else self.staged, self.size)

    def count_in_graph(self) -> None:
        """Count the copy."""
        ledger.copies[f"{self.way} in graph"] += 1


@dataclass
class Fill:
    """A fill with one byte."""

    address: int
    value: int
    size: int

    def run(self) -> None:
        """Fill."""
        ctypes.memset(self.address, self.value, self.size)

    def count_in_graph(self) -> None:
        """Count the fill."""
        ledger.memsets["in graph"] += 1


def _prepare(destination: int, source: int, size: int, kind: int) -> tuple[Copy, bool]:
    """Return a copy, and whether memory of the host that isn't pinned takes part."""
    way = direction(memory, destination, source, kind)
    from_memory = memory.require(source, size, "a copy from device memory")
    to_memory = memory.require(destination, size, "a copy to device memory")
    pageable = (way[0] == "H" and from_memory is None) or (way[-1] == "H" and to_memory is None)
    return Copy(destination, source, size, way), pageable


def _count(copy: Copy, manner: str) -> None:
    ledger.copies[f"{copy.way} {manner}"] += 1
    ledger.copied_bytes[copy.way] += copy.size


def memcpy(destination: int, source: int, size: int, kind: int) -> None:
    """Copy in the default stream; wait for it unless both sides are on the device."""
    timeline.refuse_while_capturing("a synchronous copy", unsafe=True)
    copy, _ = _prepare(destination, source, size, kind)
    _count(copy, "sync")
    timeline.submit(LEGACY, copy)
    if copy.way != "D2D":
        timeline.synchronise(timeline.stream(LEGACY), "implicit")


def memcpy_async(destination: int, source: int, size: int, kind: int, stream: int) -> None:
    """Copy in a stream. To memory of the host that isn't pinned the copy is waited for; from such it is staged."""
    copy, pageable = _prepare(destination, source, size, kind)
    if pageable and timeline.stream(stream).capture is not None:
        timeline.refuse_while_capturing("a copy with memory that isn't pinned")
    if pageable and copy.way.startswith("H"):
        copy.staged = ctypes.string_at(source, size)
    if timeline.submit(stream, copy):
        _count(copy, "async")
        if pageable and copy.way.endswith("H"):
            timeline.synchronise(timeline.stream(stream), "implicit")


def memset(address: int, value: int, size: int) -> None:
    """Fill in the default stream."""
    memset_async(address, value, size, LEGACY)


def memset_async(address: int, value: int, size: int, stream: int) -> None:
    """Fill in a stream."""
    memory.require(address, size, "a fill of device memory")
    if timeline.submit(stream, Fill(address, value, size)):
        ledger.memsets["async"] += 1


FUNCTIONS: dict[str, Callable[..., object]] = {
    "memcpy": memcpy,
    "memcpyAsync": memcpy_async,
    "memset": memset,
    "memsetAsync": memset_async,
}
