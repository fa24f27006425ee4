"""The manifest of a run: what it takes to know where a figure came from, and to make it again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from timernn import __version__


def environment() -> dict[str, Any]:
    """Return versions, processor, threads and the state of the source, JSON-ready; no name of host, user or folder."""
    return {
        "timernn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "packages": {name: _version(name) for name in ("numba", "cupy", "torch", "jax")},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
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


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


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
