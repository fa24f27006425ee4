"""Checkpoints: one file that holds a whole run, written whole or not at all, proved by hashes when it is read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
LAST, PREVIOUS, BEST = "last.npz", "previous.npz", "best.npz"


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or of another format, and no older one can stand in."""


@dataclass(frozen=True)
class Checkpoint:
    """A run at one moment.

    Attributes
    ----------
    arrays : mapping
        NumPy arrays in their own element types: ``weights/…``, ``optimiser/…`` and, in mid-text, ``h``.
    about : mapping
        Everything else, JSON-ready: recipe, vocabulary, corpus, position, schedule, results so far.
    """

    arrays: Mapping[str, NDArray[Any]]
    about: Mapping[str, Any]

    def group(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays whose names begin with ``name/``, without that."""
        prefix = name + "/"
        return {key.removeprefix(prefix): value for key, value in self.arrays.items() if key.startswith(prefix)}


def save(folder: Path, checkpoint: Checkpoint, *, best: bool = False) -> None:
    """Write ``last.npz``, keeping the one before as ``previous.npz``, and ``best.npz`` too if ``best``.

    Each file appears whole or not at all: it is written beside, forced to the disk, and moved into place.

    Raises
    ------
    CheckpointError
        If the folder can't be written to or the disk is full; what was there before is still there.
    """
    data = _encode(checkpoint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = _write_beside(folder / LAST, data)
        if (folder / LAST).exists():
            (folder / LAST).replace(folder / PREVIOUS)
        written.replace(folder / LAST)
        if best:
            _write_beside(folder / BEST, data).replace(folder / BEST)
        _sync_folder(folder)
    except OSError as error:
        raise CheckpointError(
            f"{folder}: the checkpoint can't be written: {error.strerror or error}; "
            f"what was saved before is untouched. Make room or permit writing, then go on with --resume"
        ) from error


def load(path: Path) -> tuple[Checkpoint, str | None]:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        A run's folder, whose last checkpoint is meant, or a checkpoint file.

    Returns
    -------
    checkpoint : Checkpoint
    warning : str or None
        What to tell the user when the last one is damaged and the one before stands in.

    Raises
    ------
    CheckpointError
        If there is none that can be used.
    """
    if not path.is_dir():
        return _decode(path), None
    if not (path / LAST).exists() and not (path / PREVIOUS).exists():
        raise CheckpointError(f"{path}: no checkpoint there (looked for {LAST} and {PREVIOUS})")
    try:
        return _decode(path / LAST), None
    except CheckpointError as damage:
        if not (path / PREVIOUS).exists():
            raise
        return _decode(path / PREVIOUS), f"{damage}; going on from {PREVIOUS}, the checkpoint before it"


def _encode(checkpoint: Checkpoint) -> bytes:
    hashes = {name: _sha256(array) for name, array in checkpoint.arrays.items()}
    about = json.dumps({"format": FORMAT, "sha256": hashes, **checkpoint.about}).encode()
    arrays: dict[str, Any] = {**checkpoint.arrays, "about": np.frombuffer(about, dtype=np.uint8)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _decode(path: Path) -> Checkpoint:
    try:
        # Opened here, because numpy.load leaves a file open that is no sound archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        version, hashes = about.pop("format"), about.pop("sha256")
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise CheckpointError(f"{path}: damaged, or not a checkpoint of timernn ({error})") from error
    if version != FORMAT:
        raise CheckpointError(f"{path}: format {version}; this version of timernn reads format {FORMAT}")
    if hashes != {name: _sha256(array) for name, array in arrays.items()}:
        raise CheckpointError(f"{path}: damaged: its arrays are not those that were written")
    return Checkpoint(arrays, about)


def _sha256(array: NDArray[Any]) -> str:
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def _write_beside(path: Path, data: bytes) -> Path:
    beside = path.with_name(path.name + ".partial")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _sync_folder(folder: Path) -> None:
    """Force the renames to the disk, where the system lets a folder be opened (Windows doesn't)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
