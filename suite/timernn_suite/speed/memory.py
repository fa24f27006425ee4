"""How much memory this process holds, and held at most, from the system's own books."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _line(name: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)


def resident_kib() -> int | None:
    """Return what the process holds now, in KiB; None where the system isn't Linux."""
    return _line("VmRSS:")


def reset_peak() -> bool:
    """Forget the most that was ever held; False where the system can't, which is anywhere but on Linux."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def give_free_memory_back() -> None:
    """Let the C library return what was freed to the system, so that it doesn't pass for memory in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def peak_kib() -> int | None:
    """Return the most that was held since `reset_peak`, or ever; None where the system doesn't tell."""
    peak = _line("VmHWM:")
    if peak is not None:
        return peak
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most  # macOS counts bytes
