"""A file's text as a stream of bytes, whether it is plain or compressed by gzip, xz or zstd; memory holds one block."""

from __future__ import annotations

import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from timernn_suite.corpus.model import CorpusError

#: Bytes that are read at a time.
BLOCK = 1 << 20

#: Compressed bytes that zstd is given at a time: it returns all they stand for, at most 128 KiB for each 4 of them.
_ZSTD_PIECE = 1 << 10

#: Told of a file's own bytes, compressed as they are: how many more were read.
Reading = Callable[[int], None]


def suffixless(path: Path) -> str:
    """Return a file's name without the suffix of its compression, and without one suffix more."""
    return (path.with_suffix("") if path.suffix in _OPENERS else path).stem


def is_compressed(path: Path) -> bool:
    """Tell by the name whether a file is read through a decompressor."""
    return path.suffix in _OPENERS


def blocks(path: Path, start: int = 0, stop: int | None = None, reading: Reading | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file's text from ``start`` to ``stop``, both counted after decompression.

    Parameters
    ----------
    path : Path
        Compressed if its name ends in ``.gz``, ``.xz`` or ``.zst``, else plain.
    start, stop : int
        By default the whole text. What lies before ``start`` in a compressed file has to be read all the same.
    reading : callable, optional
        Told how far the file itself has been read.

    Raises
    ------
    CorpusError
        If the file can't be read, is damaged or ends too early, or if ``.zst`` needs a library that isn't here.
    """
    compressed = is_compressed(path)
    position = seen = 0
    try:
        with path.open("rb") as file:
            if not compressed:
                position = file.seek(start)
            for block in _OPENERS.get(path.suffix, _plain)(file):
                wanted = block[max(start - position, 0) : None if stop is None else max(stop - position, 0)]
                position += len(block)
                if reading is not None:
                    reading(file.tell() - seen if compressed else len(wanted))
                    seen = file.tell()
                if wanted:
                    yield wanted
                if stop is not None and position >= stop:
                    break
    except EOFError as error:
        raise CorpusError(f"{path}: ends too early: the compressed file is cut short") from error
    except (zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise CorpusError(f"{path}: damaged, or not what its name says: {error}") from error
    except OSError as error:
        raise CorpusError(f"{path}: can't be read: {error.strerror or error}") from error


def text_size(path: Path, reading: Reading | None = None) -> int:
    """Return how many bytes the text of a file has once it is decompressed."""
    if is_compressed(path):
        return sum(len(block) for block in blocks(path, reading=reading))
    try:
        return path.stat().st_size
    except OSError as error:
        raise CorpusError(f"{path}: can't be read: {error.strerror or error}") from error


def _plain(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _gzip(file: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as opened:
        while block := opened.read(BLOCK):
            yield block


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    with lzma.LZMAFile(file) as opened:
        while block := opened.read(BLOCK):
            yield block


def _zstd(file: IO[bytes]) -> Iterator[bytes]:
    """Decompress frame by frame: the library's own reader takes a file that is cut short for a whole one."""
    zstandard: Any = _zstandard(file)
    frame = None
    pieces: list[bytes] = []
    held = 0
    try:
        while piece := file.read(_ZSTD_PIECE):
            while piece:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                pieces.append(frame.decompress(piece))
                held += len(pieces[-1])
                piece = frame.unused_data
                frame = None if frame.eof else frame
            if held >= BLOCK:
                yield b"".join(pieces)
                pieces, held = [], 0
    except zstandard.ZstdError as error:
        raise CorpusError(f"{file.name}: damaged, or not what its name says: {error}") from error
    if frame is not None:
        raise EOFError
    if held:
        yield b"".join(pieces)


def _zstandard(file: IO[bytes]) -> Any:
    try:
        return importlib.import_module("zstandard")  # an extra, and untyped where it isn't installed
    except ImportError as error:
        raise CorpusError(
            f"{file.name}: a .zst file needs the library zstandard: pip install 'timernn[zstd]', or decompress it first"
        ) from error


_OPENERS: dict[str, Callable[[IO[bytes]], Iterator[bytes]]] = {".gz": _gzip, ".xz": _xz, ".zst": _zstd}
