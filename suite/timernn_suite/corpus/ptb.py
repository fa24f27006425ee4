"""The Penn Treebank text in Mikolov's preprocessing: where it is looked for, how it is proved, how it is fetched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from timernn_suite.corpus.cache import cache_folder, writable
from timernn_suite.corpus.model import CorpusError

#: The public address of the same bytes.
URL = "https://raw.githubusercontent.com/tomsercu/lstm/master/data/"

#: The same place, for a reader.
PAGE = "https://github.com/tomsercu/lstm/tree/master/data"

#: What the licence asks of a user; part of the message when the text is missing.
LICENCE = "The text derives from LDC99T42 and is no part of timernn: whether you may use it is for you to settle."


@dataclass(frozen=True)
class PinnedFile:
    """One file of the corpus: its name, and what its bytes must be."""

    name: str
    bytes: int
    sha256: str


#: The three files. Truncated copies circulate (one of train has 2,875,392 bytes), so that only the hash proves a file.
FILES = {
    "train": PinnedFile("ptb.train.txt", 5_101_618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
    "valid": PinnedFile("ptb.valid.txt", 399_782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
    "test": PinnedFile("ptb.test.txt", 449_945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
}


@dataclass(frozen=True)
class FileStatus:
    """What was found of one file: nothing (``path`` None), or a copy that is the pinned one (``ok``) or isn't."""

    expected: PinnedFile
    path: Path | None
    bytes: int | None
    sha256: str | None

    @property
    def ok(self) -> bool:
        """Whether the file is there, with the pinned hash."""
        return self.sha256 == self.expected.sha256


def ptb_status(
    data: str | os.PathLike[str] | None = None, cache: str | os.PathLike[str] | None = None
) -> list[FileStatus]:
    """Look for train, valid and test without fetching anything.

    Parameters
    ----------
    data : path, optional
        A folder that holds the three files, or holds them in ``ptb/``; by default the environment's ``TIMERNN_DATA``.
    cache : path, optional
        The cache folder; by default the environment's ``TIMERNN_CACHE``, else the user's cache.

    Returns
    -------
    list of FileStatus
        One for each file, in that order: the first copy found, in the order of the search.
    """
    folders = [*_data_folders(data), _cached(cache)]
    return [_look(file, folders) for file in FILES.values()]


def find_ptb(
    data: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: bool = False,
) -> dict[str, Path]:
    """Return the path of each split's text: from ``data``, else from the cache, else from the network into the cache.

    Parameters
    ----------
    data, cache : path, optional
        As for `ptb_status`.
    download : bool
        Whether the network may be used.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    CorpusError
        If a copy in ``data`` isn't the pinned one, or if none can be had; the message says where it was looked for
        and what to do.
    """
    folders = list(_data_folders(data))
    paths: dict[str, Path] = {}
    for split, file in FILES.items():
        given = _look(file, folders)
        if given.path is None:
            tried = [_absent(file, folder) for folder in folders]
            paths[split] = _from_cache(file, _cached(cache), tried, download=download, progress=progress)
        elif given.ok:
            paths[split] = given.path
        else:
            raise CorpusError(_wrong(given))
    return paths


def fetch_ptb(cache: str | os.PathLike[str] | None = None, *, progress: bool = False) -> dict[str, Path]:
    """Bring the three files into the cache, as far as they aren't there, and return the path of each split's text.

    Raises
    ------
    CorpusError
        If that fails: no network, or other bytes than the pinned ones at the public address.
    """
    folder = _cached(cache)
    return {split: _from_cache(file, folder, [], download=True, progress=progress) for split, file in FILES.items()}


def _data_folders(data: str | os.PathLike[str] | None) -> Iterator[Path]:
    root = data or os.environ.get("TIMERNN_DATA")
    if root:
        yield Path(root) / "ptb"
        yield Path(root)


def _cached(cache: str | os.PathLike[str] | None) -> Path:
    return cache_folder(cache) / "ptb"


def _look(file: PinnedFile, folders: list[Path]) -> FileStatus:
    for folder in folders:
        path = folder / file.name
        try:
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                return FileStatus(file, path, opened.tell(), digest)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise CorpusError(f"{path}: can't be read: {error.strerror or error}") from error
    return FileStatus(file, None, None, None)


def _from_cache(file: PinnedFile, folder: Path, tried: list[str], *, download: bool, progress: bool) -> Path:
    """Return the cached file; fetch it if it isn't there, or is damaged. ``tried`` is for the message."""
    cached = _look(file, [folder])
    if cached.path is not None and cached.ok:
        return cached.path
    tried = [*tried, _absent(file, folder) if cached.path is None else _wrong(cached)]
    if not download:
        raise CorpusError(_missing([*tried, f"{URL}{file.name}: not tried, downloads are off"], folder))
    import pooch  # noqa: PLC0415 - takes its time, and is needed by downloads alone

    try:
        # pooch writes to a temporary file beside the target and moves it there once its hash is right.
        path = pooch.retrieve(
            URL + file.name,
            known_hash=f"sha256:{file.sha256}",
            fname=file.name,
            path=writable(folder),
            progressbar=progress,
        )
    except (OSError, ValueError) as error:  # no network, a refused request or a full disk; other bytes than pinned
        raise CorpusError(_missing([*tried, f"{URL}{file.name}: {error}"], folder)) from error
    return Path(path)


def _absent(file: PinnedFile, folder: Path) -> str:
    return f"{folder / file.name}: not there"


def _wrong(status: FileStatus) -> str:
    return (
        f"{status.path}: not the text that results are compared on. It has {status.bytes:,} bytes and sha256 "
        f"{status.sha256}; expected {status.expected.bytes:,} bytes and {status.expected.sha256}. "
        "Truncated copies circulate: replace it, or remove it to have it fetched."
    )


def _missing(tried: list[str], cached: Path) -> str:
    train, valid, test = (file.name for file in FILES.values())
    return "\n".join(
        [
            "the Penn Treebank text can't be had. Tried:",
            *(f"  - {place}" for place in tried),
            f"Put {train}, {valid} and {test} into {cached},",
            "or set TIMERNN_DATA (or --data) to a folder that holds them, itself or in ptb/.",
            f"They are public at {PAGE} . {LICENCE}",
            "The corpus 'markov' needs no download.",
        ]
    )
