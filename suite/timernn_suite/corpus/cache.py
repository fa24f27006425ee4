"""Where downloads and encoded text are kept, and what stands in where that can't be written to."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import warnings
from pathlib import Path


def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache: ``cache``, else the environment's ``TIMERNN_CACHE``, else the user's cache folder."""
    named = cache or os.environ.get("TIMERNN_CACHE")
    if named:
        return Path(named)
    import pooch  # noqa: PLC0415 - takes its time, and is needed by those alone who name no folder

    return Path(pooch.os_cache("timernn"))


def writable(folder: Path) -> Path:
    """Return ``folder`` if it can be written to; else, with a warning, one that lasts as long as this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        warnings.warn(
            f"{folder} can't be written to ({error.strerror or error}): a temporary folder stands in, and the next run "
            "starts over. Set TIMERNN_CACHE to a folder that can be.",
            RuntimeWarning,
            stacklevel=2,
        )
        return _process_folder()


@functools.cache
def _process_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="timernn-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
