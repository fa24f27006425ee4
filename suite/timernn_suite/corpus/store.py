"""The cache of encoded text: token ids in memory-mapped files, written whole or not at all, checked at every use."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from timernn_suite.corpus.cache import writable
from timernn_suite.corpus.model import SPLITS, CorpusError, Ids, Vocabulary

#: Part of every key: a change of the format or of the encoding makes new entries instead of misreading old ones.
FORMAT = 1

_META = "meta.json"
_WORDS = "vocabulary.json"
_BUFFER = 1 << 16
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """Encoded text as the cache holds it: ids and the source text's sha256 by split, and the vocabulary."""

    ids: Mapping[str, Ids]
    vocabulary: Vocabulary
    sha256: Mapping[str, str]


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
    found = _read(cache / "ids" / key)
    if found is None:
        place = writable(cache) / "ids" / key
        found = _read(place) or _build(place, write)
    return found


class EntryWriter:
    """Writes one entry into an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, dict[str, Any]] = {}

    @contextmanager
    def ids(self, split: str, tokens: int) -> Iterator[Callable[[Sequence[int]], None]]:
        """Open a split of ``tokens`` ids; yields the function that appends some.

        Plain writes and not a writable memory map: on a full disk those raise, where a map kills the process.
        """
        path = self._folder / f"{split}.npy"
        buffer = array("i")
        written = 0
        with path.open("wb") as file:
            header = {"descr": np.dtype(np.int32).str, "fortran_order": False, "shape": (tokens,)}
            np.lib.format.write_array_header_1_0(file, header)

            def append(ids: Sequence[int]) -> None:
                nonlocal written
                buffer.extend(ids)
                written += len(ids)
                if len(buffer) >= _BUFFER:
                    buffer.tofile(file)
                    del buffer[:]

            yield append
            buffer.tofile(file)
        if written != tokens:
            raise CorpusError(f"{split}: the text changed while it was read ({tokens} tokens, then {written})")
        self._files[path.name] = {"tokens": tokens, **_fingerprint(path)}

    def finish(self, vocabulary: Vocabulary, sha256: Mapping[str, str]) -> None:
        """Write the vocabulary, and last of all the record that makes the entry valid."""
        path = self._folder / _WORDS
        path.write_text(json.dumps(vocabulary.words), encoding="utf-8")
        self._files[path.name] = _fingerprint(path)
        meta = {"format": FORMAT, "sha256": dict(sha256), "files": self._files}
        (self._folder / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _read(folder: Path) -> Entry | None:
    """Return the entry in that folder; None if there is none, or if any byte of it isn't what was written."""
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        for name in (*(f"{split}.npy" for split in SPLITS), _WORDS):
            written = meta["files"][name]
            if (folder / name).stat().st_size != written["bytes"]:
                return None
            if _fingerprint(folder / name)["sha256"] != written["sha256"]:
                return None
        ids: dict[str, Ids] = {
            split: np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False) for split in SPLITS
        }
        vocabulary = Vocabulary(tuple(json.loads((folder / _WORDS).read_text(encoding="utf-8"))))
        return Entry(ids, vocabulary, {split: str(meta["sha256"][split]) for split in SPLITS})
    except (OSError, ValueError, KeyError, TypeError, CorpusError):
        return None


def _build(place: Path, write: Callable[[EntryWriter], None]) -> Entry:
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=place.parent))
    try:
        (temporary / "new").mkdir()
        write(EntryWriter(temporary / "new"))
        return _install(temporary, place)
    except OSError as error:
        raise CorpusError(f"{place}: the cache entry can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _install(temporary: Path, place: Path) -> Entry:
    """Move ``temporary/new`` to its place, unless another process has put a sound entry there meanwhile."""
    for attempt in range(3):
        with suppress(OSError):
            (temporary / "new").rename(place)
        entry = _read(place)
        if entry is not None:
            return entry
        with suppress(OSError):  # a damaged entry is in the way, and a folder that isn't empty can't be replaced
            place.rename(temporary / f"damaged-{attempt}")
    raise CorpusError(f"{place}: the cache entry can't be written or read; remove that folder and try again")


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed in the middle of writing have left, after a day."""
    for leftover in folder.glob(".tmp-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
