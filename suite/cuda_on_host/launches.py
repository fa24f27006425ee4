"""Kernels and their launches: limits checked as CUDA checks them, parameters kept by value."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

from cuda_on_host.engine import LaunchReport, LaunchRequest, engine
from cuda_on_host.errors import (
    BarrierDivergence,
    CudaOnHostError,
    Deadlock,
    IllegalAddress,
    KernelTrapped,
    LaunchRefused,
    OutOfBounds,
)
from cuda_on_host.ledger import ledger
from cuda_on_host.memory import memory
from cuda_on_host.settings import settings

# By the numbers of the enumeration `Failure` in engine.h.
FAILURES: dict[int, type[CudaOnHostError]] = {
    1: BarrierDivergence,
    2: Deadlock,
    3: KernelTrapped,
    4: KernelTrapped,
    5: OutOfBounds,
    6: IllegalAddress,
    7: LaunchRefused,
}


@dataclass(eq=False)
class Kernel:
    """A kernel of a loaded library."""

    name: str
    address: int
    parameter_sizes: tuple[int, ...]
    bounds: int  # threads of a block at most
    static_shared: int
    static_shared_bytes: int
    dynamic_shared_limit: int | None = None

    @property
    def max_dynamic_shared(self) -> int:
        """Bytes of dynamic shared memory that a launch may ask for."""
        if self.dynamic_shared_limit is not None:
            return self.dynamic_shared_limit
        return max(0, settings.device.shared_per_block_default - self.static_shared_bytes)

    def allow_dynamic_shared(self, size: int) -> None:
        """Raise the limit of dynamic shared memory, as far as the device goes."""
        limit = settings.device.shared_per_block - self.static_shared_bytes
        if not 0 <= size <= limit:
            raise LaunchRefused(
                f"{self.name}: {size} bytes of dynamic shared memory are more than the {limit} bytes that "
                f"{settings.device.name} has for a block (cudaErrorInvalidValue)"
            )
        self.dynamic_shared_limit = size

    def check(self, grid: tuple[int, ...], block: tuple[int, ...], shared: int, *, cooperative: bool) -> None:
        """Raise LaunchRefused unless the device could run such a launch."""
        device = settings.device
        threads, blocks = block[0] * block[1] * block[2], grid[0] * grid[1] * grid[2]
        problem = None
        if any(size < 1 for size in (*grid, *block)):
            problem = f"a grid of {grid} blocks of {block} threads: every size has to be at least 1"
        elif any(size > limit for size, limit in zip(block, device.max_block, strict=True)):
            problem = f"a block of {block} threads exceeds {device.max_block}"
        elif threads > device.threads_per_block:
            problem = f"a block of {threads} threads exceeds {device.threads_per_block}"
        elif threads > self.bounds:
            problem = f"a block of {threads} threads exceeds the {self.bounds} of its __launch_bounds__"
        elif any(size > limit for size, limit in zip(grid, device.max_grid, strict=True)):
            problem = f"a grid of {grid} blocks exceeds {device.max_grid}"
        elif shared > self.max_dynamic_shared:
            problem = (
                f"{shared} bytes of dynamic shared memory exceed the {self.max_dynamic_shared} bytes allowed; "
                "more has to be asked for, by the kernel's max_dynamic_shared_size_bytes"
            )
        elif cooperative:
            resident = device.resident_blocks(threads, shared + self.static_shared_bytes) * device.multiprocessors
            if blocks > resident:
                problem = (
                    f"a cooperative grid of {blocks} blocks exceeds the {resident} that {device.name} holds at once"
                )
        if problem:
            raise LaunchRefused(f"{self.name}: {problem} (cudaErrorInvalidConfiguration or cudaErrorInvalidValue)")


@dataclass
class Launch:
    """A launch of a kernel, with the values of its parameters."""

    kernel: Kernel
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    cooperative: bool
    values: ctypes.Array[ctypes.c_char]
    pointers: ctypes.Array[ctypes.c_void_p]
    report: LaunchReport = field(default_factory=LaunchReport)

    @classmethod
    def prepare(
        cls,
        kernel: Kernel,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared: int,
        parameters: int,
        *,
        cooperative: bool,
    ) -> Launch:
        """Return a launch with copies of the parameters that lie behind an array of pointers."""
        sizes = kernel.parameter_sizes
        # Each value starts at a multiple of 16: no type of CUDA needs more.
        offsets = [0]
        for size in sizes:
            offsets.append(offsets[-1] + (size + 15) // 16 * 16)
        values = ctypes.create_string_buffer(offsets[-1] + 16)
        base = (ctypes.addressof(values) + 15) // 16 * 16
        pointers = (ctypes.c_void_p * max(1, len(sizes)))()
        given = (ctypes.c_void_p * len(sizes)).from_address(parameters) if sizes else ()
        for i, size in enumerate(sizes):
            ctypes.memmove(base + offsets[i], given[i] or 0, size)
            pointers[i] = base + offsets[i]
        return cls(kernel, grid, block, shared, cooperative, values, pointers)

    def run(self) -> None:
        """Run the kernel, and raise what it did wrong."""
        request = LaunchRequest(
            self.kernel.address,
            ctypes.addressof(self.pointers),
            self.grid,
            self.block,
            self.shared,
            self.cooperative,
            # CuPy's own kernels rely on what devices do, and leave before a barrier.
            self.kernel.name.startswith("cupy_"),
            settings.order,
            settings.deadlock_rounds,
            settings.time_limit_seconds,
            self.kernel.static_shared,
            self.kernel.static_shared_bytes,
        )
        failure = engine().cuda_on_host_launch(ctypes.byref(request), ctypes.byref(self.report))
        if failure:
            message = self.report.message.decode(errors="replace")
            raise FAILURES[failure](f"kernel {self.kernel.name}: {message}")
        if settings.strict:
            memory.check(f"kernel {self.kernel.name}")

    def count_in_graph(self) -> None:
        """Count the kernel as part of a graph."""
        ledger.graph_kernels[self.kernel.name] += 1
