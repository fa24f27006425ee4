"""What can be chosen while the executor runs."""

from __future__ import annotations

from dataclasses import dataclass

from cuda_on_host.devices import DEVICES, Device


@dataclass
class Settings:
    """The choices in force.

    Attributes
    ----------
    order
        In which order the threads of a block, and the blocks of a grid, run: 0 ascending, 1 descending, else a
        permutation that the number seeds.
    lazy
        Whether work waits until something synchronises with its stream.
    strict
        Whether every launch checks the red zones of all memory.
    nvrtc
        Architectures that every source is compiled for by the real NVRTC as well, such as "sm_90".
    deadlock_rounds
        After so many rounds of polling in which nothing happens, a kernel is deadlocked.
    time_limit_seconds
        Processor time that one kernel may take; it ends a poll that never gives way.
    device
        The device that is pretended.
    """

    order: int = 0
    lazy: bool = False
    strict: bool = True
    nvrtc: tuple[str, ...] = ()
    deadlock_rounds: int = 1 << 14
    time_limit_seconds: int = 60
    device: Device = DEVICES["h100"]


settings = Settings()
