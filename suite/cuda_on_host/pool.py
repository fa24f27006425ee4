"""CuPy's memory pool, seen through: what it gives out and takes back is poisoned, as fresh memory is."""

from __future__ import annotations

from typing import Any

from cuda_on_host.copies import Fill
from cuda_on_host.settings import settings
from cuda_on_host.streams import timeline

POISON = 0xFF  # in every byte: any floating-point number is NaN


def poison(address: int, size: int, stream: int) -> None:
    """Poison a block of the pool, behind the work of its stream that still uses it.

    Parameters
    ----------
    address, size
        The block.
    stream
        The stream that the pool has it for.
    """
    # Not while a stream is captured: a block that is used there belongs to the replays. No address: the call failed.
    if address and not timeline.capturing():
        timeline.submit(stream, Fill(address, POISON, size))


def watch_pool() -> None:
    """Poison every block that CuPy's pool gives out or takes back, on this thread."""
    from cupy.cuda import MemoryHook, get_current_stream  # noqa: PLC0415

    class Poisoner(MemoryHook):  # type: ignore[misc]
        name = "cuda_on_host"

        def malloc_postprocess(self, **block: Any) -> None:
            poison(block["mem_ptr"], block["mem_size"], get_current_stream().ptr)

        def free_postprocess(self, **block: Any) -> None:
            # Work that waits may still use it, in another stream than the current one.
            if not settings.lazy:
                poison(block["mem_ptr"], block["mem_size"], get_current_stream().ptr)

    Poisoner().__enter__()
