"""Checkpoints: one file that holds a whole run, written whole or not at all, proved by hashes when it is read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.files import PARTIAL, sync_folder, write_beside

FORMAT = 1
FILES = LAST, PREVIOUS, BEST = "last.npz", "previous.npz", "best.npz"


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

    Each file appears whole or not at all. Once there is a ``last.npz`` there is one at every moment, and ``best.npz``
    is never older than what it says of the best: a process may be killed anywhere in here.

    Parameters
    ----------
    folder : Path
        Must be there: one that is gone in the middle of a run was moved or unmounted, and a new one in its place
        would be on another disk.

    Raises
    ------
    CheckpointError
        If the folder can't be written to or the disk is full; what was there before is still there.
    """
    data = _encode(checkpoint)
    # The best first: killed between the two, a run goes on from the older last one, and finds this best again.
    targets = [folder / BEST, folder / LAST] if best else [folder / LAST]
    written: list[Path] = []
    try:
        for path in targets:  # all are on the disk before the first takes its place
            written.append(write_beside(path, data))
        _keep_as_previous(folder)
        for beside, path in zip(written, targets, strict=True):
            beside.replace(path)
        sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            for beside in written:
                beside.unlink(missing_ok=True)
        raise CheckpointError(_cannot_write(folder, error)) from error


def _keep_as_previous(folder: Path) -> None:
    """Give the last checkpoint the name ``previous.npz`` as well, if it is sound."""
    last, previous = folder / LAST, folder / PREVIOUS
    try:
        _decode(last)
    except CheckpointError:
        return  # there is none, or it is damaged and the previous one is the only good one
    link = previous.with_name(previous.name + PARTIAL)
    link.unlink(missing_ok=True)
    try:
        link.hardlink_to(last)
    except OSError:
        last.replace(previous)  # a file system without links: until the next rename there is only the previous one
    else:
        link.replace(previous)
        link.unlink(missing_ok=True)  # POSIX renames nothing, and leaves both, where both are the same file already


def _cannot_write(folder: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    if not folder.exists():
        return (
            f"{folder}: the checkpoint can't be written: the folder is gone ({reason}). Put it back, or mount its "
            f"disk, then go on with --resume"
        )
    return (
        f"{folder}: the checkpoint can't be written: {reason}; what was saved before is untouched. "
        f"Make room or permit writing, then go on with --resume"
    )


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
