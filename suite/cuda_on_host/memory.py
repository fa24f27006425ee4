"""Device and pinned memory: giving it out, taking it back, and finding what was written outside of it."""

from __future__ import annotations

import ctypes

from cuda_on_host.devices import MEMORY_BYTES
from cuda_on_host.engine import Damage, Range, engine
from cuda_on_host.errors import MemoryMisuse, NotEmulated, OutOfBounds
from cuda_on_host.ledger import ledger

OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation


class Memory:
    """All memory that was given out."""

    def __init__(self) -> None:
        self.used = 0

    def allocate(self, size: int, kind: str) -> int:
        """Return fresh memory, every byte 0xFF: any floating-point number in it is NaN.

        Parameters
        ----------
        size
            Bytes.
        kind
            "device" or "pinned".
        """
        if size < 0 or (kind == "device" and self.used + size > MEMORY_BYTES):
            raise _out_of_memory()
        address: int | None = engine().cuda_on_host_allocate(size, int(kind == "pinned"))
        if address is None:
            raise _out_of_memory()
        ledger.allocations[kind] += 1
        ledger.allocated_bytes[kind] += size
        if kind == "device":
            self.used += size
        return address

    def release(self, address: int, kind: str) -> None:
        """Take memory back: poison it, and raise OutOfBounds if something was written around it."""
        if address == 0:
            return
        found = self.find(address)
        if found is not None and found.start == address and bool(found.pinned) != (kind == "pinned"):
            raise MemoryMisuse(f"memory of the other kind is freed as {kind} memory")
        damage = Damage()
        status = engine().cuda_on_host_release(address, ctypes.byref(damage))
        if status == 1:
            raise MemoryMisuse(f"0x{address:x} is freed, but was never allocated (cudaErrorInvalidValue)")
        if status == 2:
            raise MemoryMisuse(f"0x{address:x} is freed twice (cudaErrorInvalidValue)")
        ledger.frees[kind] += 1
        if kind == "device" and found is not None:
            self.used -= int(found.bytes)
        if status == 3:
            raise OutOfBounds(describe(damage, "something"))

    @staticmethod
    def find(address: int) -> Range | None:
        """Return the allocation that holds an address."""
        found = Range()
        return found if engine().cuda_on_host_find_memory(address, ctypes.byref(found)) else None

    @staticmethod
    def check(culprit: str, *, freed: bool = False) -> None:
        """Raise OutOfBounds if something was written outside of an allocation, or to freed memory.

        Parameters
        ----------
        culprit
            Who is to blame: what ran since the last check.
        freed
            Whether to look at freed memory too, which takes longer.
        """
        damage = Damage()
        library = engine()
        if library.cuda_on_host_check_memory(ctypes.byref(damage)):
            raise OutOfBounds(describe(damage, culprit))
        if freed and library.cuda_on_host_check_freed(ctypes.byref(damage)):
            raise OutOfBounds(describe(damage, culprit))

    def require(self, address: int, size: int, purpose: str) -> Range | None:
        """Return the allocation of a range that must lie in one, or None for other memory of the host."""
        found = self.find(address)
        if found is not None and address + size > found.start + found.bytes:
            raise OutOfBounds(
                f"{purpose} of {size} bytes at offset {address - found.start} leaves its allocation of "
                f"{found.bytes} bytes"
            )
        return found


def describe(damage: Damage, culprit: str) -> str:
    """Return what was damaged, and by whom, in words."""
    if damage.side == 0:
        return f"{culprit} wrote to freed memory: at byte {damage.offset} of {damage.bytes}"
    where = (
        f"{-damage.offset} bytes before"
        if damage.side < 0
        else f"{damage.offset - damage.bytes} bytes behind the end of"
    )
    return f"{culprit} wrote outside of its memory: {where} an allocation of {damage.bytes} bytes"


def _out_of_memory() -> Exception:
    # CuPy's pool has to see its own error, by which it frees what it can and tries again.
    from cupy_backends.cuda.api.runtime import CUDARuntimeError  # noqa: PLC0415

    error: Exception = CUDARuntimeError(OUT_OF_MEMORY)
    return error


def direction(memory: Memory, destination: int, source: int, kind: int) -> str:
    """Return the direction of a copy as the ledger names it; kind 4 lets CUDA find out."""
    names = {0: "H2H", 1: "H2D", 2: "D2H", 3: "D2D"}
    if kind in names:
        return names[kind]
    if kind != 4:
        raise NotEmulated(f"a copy of kind {kind}")
    places = []
    for address in (source, destination):
        found = memory.find(address)
        places.append("D" if found is not None and not found.pinned else "H")
    return "2".join(places)


memory = Memory()
