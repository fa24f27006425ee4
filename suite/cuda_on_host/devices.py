"""The devices that can be pretended: the limits of each, from NVIDIA's documentation."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cuda_on_host.errors import InstallationError

KIBIBYTE = 1024
MEMORY_BYTES = 8 << 30


@dataclass(frozen=True)
class Device:
    """The limits of a device: those of its compute capability, and its number of multiprocessors."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    shared_per_block: int  # with the opt-in
    shared_per_multiprocessor: int
    shared_reserved_per_block: int
    threads_per_multiprocessor: int
    blocks_per_multiprocessor: int
    registers_per_multiprocessor: int = 65536
    shared_per_block_default: int = 48 * KIBIBYTE
    threads_per_block: int = 1024
    max_block: tuple[int, int, int] = (1024, 1024, 64)
    max_grid: tuple[int, int, int] = (2**31 - 1, 65535, 65535)

    def resident_blocks(self, threads: int, shared_bytes: int) -> int:
        """Return how many blocks of a kernel one multiprocessor holds at once, registers aside.

        Parameters
        ----------
        threads
            Threads of a block.
        shared_bytes
            Static and dynamic shared memory of a block.
        """
        warps = -(-threads // 32)
        by_threads = self.threads_per_multiprocessor // (32 * warps)
        shared = shared_bytes + self.shared_reserved_per_block
        by_shared = self.shared_per_multiprocessor // shared if shared else self.blocks_per_multiprocessor
        return min(by_threads, by_shared, self.blocks_per_multiprocessor)


# "CUDA C++ Programming Guide", technical specifications per compute capability; multiprocessors from the data sheets.
DEVICES = {
    "t4": Device("Tesla T4", (7, 5), 40, 64 * KIBIBYTE, 64 * KIBIBYTE, 0, 1024, 16),
    "a100": Device("A100", (8, 0), 108, 163 * KIBIBYTE, 164 * KIBIBYTE, KIBIBYTE, 2048, 32),
    "rtx3090": Device("GeForce RTX 3090", (8, 6), 82, 99 * KIBIBYTE, 100 * KIBIBYTE, KIBIBYTE, 1536, 16),
    "l4": Device("L4", (8, 9), 58, 99 * KIBIBYTE, 100 * KIBIBYTE, KIBIBYTE, 1536, 24),
    "h100": Device("H100", (9, 0), 132, 227 * KIBIBYTE, 228 * KIBIBYTE, KIBIBYTE, 2048, 32),
}


def chosen_device() -> Device:
    """Return the device that the environment's CUDA_ON_HOST_DEVICE names: an H100 by default."""
    key = os.environ.get("CUDA_ON_HOST_DEVICE", "h100")
    if key not in DEVICES:
        raise InstallationError(f"CUDA_ON_HOST_DEVICE is {key!r}, and should be one of {', '.join(DEVICES)}")
    return DEVICES[key]


def attributes(device: Device) -> dict[int, int]:
    """Return what cudaDeviceGetAttribute answers, by the number of the attribute; all others are 0."""
    return {
        1: device.threads_per_block,
        **dict(zip((2, 3, 4), device.max_block, strict=True)),
        **dict(zip((5, 6, 7), device.max_grid, strict=True)),
        8: device.shared_per_block_default,
        9: 64 * KIBIBYTE,  # constant memory
        10: 32,  # the size of a warp
        11: 2**31 - 1,  # the pitch of a copy
        12: device.registers_per_multiprocessor,
        14: 512,  # the alignment of textures
        16: device.multiprocessors,
        39: device.threads_per_multiprocessor,
        41: 1,  # one address space
        75: device.capability[0],
        76: device.capability[1],
        81: device.shared_per_multiprocessor,
        82: device.registers_per_multiprocessor,
        95: 1,  # cooperative launches
        97: device.shared_per_block,
        106: device.blocks_per_multiprocessor,
        111: device.shared_reserved_per_block,
        115: 0,  # memory pools of the driver: not emulated
    }


def properties(device: Device) -> dict[str, object]:
    """Return what CuPy's getDeviceProperties answers."""
    return {
        "name": f"{device.name}, pretended by the host executor".encode(),
        "major": device.capability[0],
        "minor": device.capability[1],
        "totalGlobalMem": MEMORY_BYTES,
        "multiProcessorCount": device.multiprocessors,
        "warpSize": 32,
        "maxThreadsPerBlock": device.threads_per_block,
        "maxThreadsDim": device.max_block,
        "maxGridSize": device.max_grid,
        "maxThreadsPerMultiProcessor": device.threads_per_multiprocessor,
        "maxBlocksPerMultiProcessor": device.blocks_per_multiprocessor,
        "sharedMemPerBlock": device.shared_per_block_default,
        "sharedMemPerBlockOptin": device.shared_per_block,
        "sharedMemPerMultiprocessor": device.shared_per_multiprocessor,
        "reservedSharedMemPerBlock": device.shared_reserved_per_block,
        "regsPerBlock": device.registers_per_multiprocessor,
        "regsPerMultiprocessor": device.registers_per_multiprocessor,
        "totalConstMem": 64 * KIBIBYTE,
        "cooperativeLaunch": 1,
        "unifiedAddressing": 1,
        "concurrentKernels": 1,
        "asyncEngineCount": 0,
        "pciBusID": 0,
        "pciDeviceID": 0,
        "pciDomainID": 0,
    }
