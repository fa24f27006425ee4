"""The cache of encoded text: token ids in memory-mapped files, written whole or not at all, checked at every use."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from timernn_suite.corpus.cache import writable
from timernn_suite.corpus.model import SPLITS, CorpusError, Ids, Vocabulary
from timernn_suite.files import replace_text

#: Part of every key: a change of the format or of the encoding makes new entries instead of misreading old ones.
FORMAT = 2

#: The record of an entry, the last file that is written: with it an entry is whole.
MANIFEST = "manifest.json"

_WORDS = "vocabulary.json"
_BUFFER_BYTES = 1 << 18
_TEMPORARY = ".timernn-tmp-"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """Encoded text as the cache holds it: ids and the source text's sha256 by split, the vocabulary, its origin."""

    ids: Mapping[str, Ids]
    vocabulary: Vocabulary
    sha256: Mapping[str, str]
    about: Mapping[str, Any]


def load_entry(cache: Path, identity: Mapping[str, Any], write: Callable[[EntryWriter], None]) -> Entry:
    """Return the entry of that identity, after writing it if it isn't there or is damaged.

    Parameters
    ----------
    cache : Path
        The cache folder; it need not exist.
    identity : mapping
        Everything that the entry depends on, JSON-ready: hashes of the text and the options of its encoding.
    write : callable
        Writes the entry. If it raises, nothing is left behind.

    Raises
    ------
    CorpusError
        If the entry can't be written, as on a full disk.

    Notes
    -----
    The entry is written beside its place and moved there by one rename. Of two processes that write the
    same entry at once, one wins and both read the winner's.
    """
    key = hashlib.sha256(json.dumps({"format": FORMAT, **identity}, sort_keys=True).encode()).hexdigest()[:32]
    found = read_entry(cache / "ids" / key)
    if found is None:
        place = writable(cache) / "ids" / key
        found = read_entry(place) or build_entry(place, write)
    return found


class EntryWriter:
    """Writes one entry into the empty folder ``folder``; ``scratch`` is a folder to be made for what won't be kept."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.scratch = scratch
        self._folder = folder
        self._files: dict[str, dict[str, Any]] = {}

    @contextmanager
    def ids(
        self, split: str, tokens: int | None = None, dtype: DTypeLike = np.int32
    ) -> Iterator[Callable[[Sequence[int] | NDArray[np.integer[Any]]], None]]:
        """Open a split; yields the function that appends some ids. There must be ``tokens`` of them, if that is given.

        Plain writes and not a writable memory map: on a full disk those raise, where a map kills the process.
        """
        path = self._folder / f"{split}.npy"
        written = 0
        with path.open("wb", buffering=_BUFFER_BYTES) as file:
            begin = _write_header(file, dtype, 0)

            def append(ids: Sequence[int] | NDArray[np.integer[Any]]) -> None:
                nonlocal written
                file.write(np.asarray(ids, dtype).tobytes())
                written += len(ids)

            yield append
            file.seek(0)
            if _write_header(file, dtype, written) != begin:
                raise AssertionError("numpy pads a header so that the number of rows may grow in place")
        if tokens is not None and written != tokens:
            raise CorpusError(f"{split}: the text changed while it was read ({tokens} tokens, then {written})")
        self._files[path.name] = {"tokens": written, "dtype": np.dtype(dtype).name, **_fingerprint(path)}

    def finish(self, vocabulary: Vocabulary, sha256: Mapping[str, str], about: Mapping[str, Any] | None = None) -> None:
        """Write the vocabulary, and last of all the record that makes the entry valid.

        Parameters
        ----------
        vocabulary : Vocabulary
            The types.
        sha256 : mapping of str to str
            Of each split's source text.
        about : mapping, optional
            JSON-ready: what else is to be known of the entry.
        """
        path = self._folder / _WORDS
        path.write_text(json.dumps(vocabulary.words), encoding="utf-8")
        self._files[path.name] = _fingerprint(path)
        manifest = {"format": FORMAT, "sha256": dict(sha256), "about": dict(about or {}), "files": self._files}
        replace_text(self._folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def _write_header(file: IO[bytes], dtype: DTypeLike, tokens: int) -> int:
    """Write a .npy file's header and return how many bytes it has."""
    np.lib.format.write_array_header_1_0(
        file, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (tokens,)}
    )
    return file.tell()


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read_entry(folder: Path) -> Entry | None:
    """Return the entry in that folder; None if there is none, or if any byte of it isn't what was written."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            return None
        for name in (*(f"{split}.npy" for split in SPLITS), _WORDS):
            written = manifest["files"][name]
            if (folder / name).stat().st_size != written["bytes"]:
                return None
            if _fingerprint(folder / name)["sha256"] != written["sha256"]:
                return None
        ids: dict[str, Ids] = {
            split: np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False) for split in SPLITS
        }
        vocabulary = Vocabulary(tuple(json.loads((folder / _WORDS).read_text(encoding="utf-8"))))
        sha256 = {split: str(manifest["sha256"][split]) for split in SPLITS}
        return Entry(ids, vocabulary, sha256, dict(manifest["about"]))
    except (OSError, ValueError, KeyError, TypeError, CorpusError):
        return None


def build_entry(place: Path, write: Callable[[EntryWriter], None], *, replace: bool = True) -> Entry:
    """Write an entry and move it to its place.

    Parameters
    ----------
    place : Path
        The entry's folder. Of two processes that write it at once, one wins and both read the winner's.
    write : callable
        Writes the entry. If it raises, nothing is left behind.
    replace : bool
        Whether what lies there and is no sound entry is removed; else it is an error.

    Raises
    ------
    CorpusError
        If the entry can't be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=place.parent))
    try:
        (temporary / "new").mkdir()
        write(EntryWriter(temporary / "new", temporary / "scratch"))
        return _install(temporary, place, replace=replace)
    except OSError as error:
        raise CorpusError(f"{place}: the cache entry can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _install(temporary: Path, place: Path, *, replace: bool) -> Entry:
    """Move ``temporary/new`` to its place, unless another process has put a sound entry there meanwhile."""
    for attempt in range(3):
        with suppress(OSError):
            (temporary / "new").rename(place)
        entry = read_entry(place)
        if entry is not None:
            return entry
        if not replace:
            break
        with suppress(OSError):  # a damaged entry is in the way, and a folder that isn't empty can't be replaced
            place.rename(temporary / f"damaged-{attempt}")
    raise CorpusError(f"{place}: the cache entry can't be written or read; remove that folder and try again")


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed in the middle of writing have left, after a day."""
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            touched = max(path.stat().st_mtime for path in (leftover, *leftover.rglob("*")))
            if time.time() - touched > _STALE_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
