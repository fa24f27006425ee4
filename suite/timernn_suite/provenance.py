"""Where a figure came from: versions, processor, threads, source; and whether two figures can be compared at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from timernn import __version__

#: Which of a processor's abilities decide what kernels run on it.
VECTOR_FLAGS = ("sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
#: Array libraries, and the distributions that bring them.
_PACKAGES = {
    "numba": ("numba",),
    "cupy": ("cupy", "cupy-cuda13x", "cupy-cuda12x"),
    "torch": ("torch",),
    "jax": ("jax",),
}
#: What a kind of machine is.
_HARDWARE = ("processor", "flags", "cores", "governor", "system")
#: Unless all of these are the same, two speeds say nothing of each other.
_COMPARABLE = (*_HARDWARE, "python", "numpy", "packages", "threads", "settings")


class IncomparableError(ValueError):
    """Two records were made where speeds can't be the same; the message says what differs."""


def fingerprint(made_in: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an environment that speeds depend on, but for the source that was timed."""
    taken = {key: made_in.get(key) for key in _COMPARABLE}
    taken["threads"] = [pool for pool in made_in.get("threads") or () if pool.get("user_api") == "blas"]
    return taken


def hardware_hash(made_in: Mapping[str, Any]) -> str:
    """Return six hexadecimal digits that two environments share if they are of the same kind of machine."""
    of_hardware = {key: made_in.get(key) for key in _HARDWARE}
    return hashlib.sha256(json.dumps(of_hardware, sort_keys=True).encode()).hexdigest()[:6]


def require_comparable(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise `IncomparableError` unless two environments have the same fingerprint."""
    before, after = fingerprint(old), fingerprint(new)
    differing = [f"{key}: {before[key]} and {after[key]}" for key in before if before[key] != after[key]]
    if differing:
        raise IncomparableError(f"made where speeds can't be compared ({'; '.join(differing)})")


def environment() -> dict[str, Any]:
    """Return versions, processor, threads and the state of the source, JSON-ready; no name of host, user or folder."""
    return {
        "timernn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "packages": {name: _version(*found) for name, found in _PACKAGES.items()},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _of_processor("model name") or platform.processor(),
        "flags": [flag for flag in VECTOR_FLAGS if flag in _flags()],
        "governor": _text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "threads": [
            {key: pool.get(key) for key in ("user_api", "internal_api", "version", "architecture", "num_threads")}
            for pool in threadpoolctl.threadpool_info()
        ],
        "git": _git(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def command_line() -> str:
    """Return the command as it was given, but for local paths, of which the last part stays."""
    return " ".join(["timernn", *map(_without_paths, sys.argv[1:])])


def _without_paths(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + without_folder(value)


def without_folder(text: str) -> str:
    """Return the last part of what is an absolute path, and anything else as it is."""
    return Path(text).name if Path(text).is_absolute() else text


def _version(*distributions: str) -> str | None:
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def _of_processor(key: str) -> str | None:
    lines = (_text_of("/proc/cpuinfo") or "").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), None)


def _flags() -> list[str]:
    return (_of_processor("flags") or _of_processor("Features") or "").split()


def _text_of(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _git() -> dict[str, Any] | None:
    """Return the commit of the checkout that the work is done in, and whether it was changed; None outside of one."""
    try:
        commit = _run_git("rev-parse", "HEAD")
        changed = _run_git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def _run_git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
