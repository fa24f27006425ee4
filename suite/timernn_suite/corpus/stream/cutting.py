"""Cutting files, in their order, into train, valid and test by shares of their bytes, at line ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from timernn_suite.corpus.model import SPLITS, CorpusError
from timernn_suite.corpus.stream.compressed import Reading, blocks, text_size
from timernn_suite.corpus.stream.words import Span

#: So far behind its share's end a line end is looked for; where there is none, the text is cut at a blank.
WINDOW = 1 << 16


def cut_files(
    files: Sequence[Path], valid_share: float, test_share: float, reading: Reading | None = None
) -> dict[str, list[Span]]:
    """Return the spans of each split: train first, then valid, then test.

    A split begins behind the first line end at or after the end of the share before it. Where a line is longer
    than `WINDOW` bytes, it begins behind the first blank instead.

    Parameters
    ----------
    files : sequence of Path
        Read as one text.
    valid_share, test_share : float
        Of all bytes after decompression.
    reading : callable, optional
        Told how far the compressed files have been read, once for all.

    Raises
    ------
    CorpusError
        If a file can't be read, or the text can't be cut there.
    """
    sizes = [text_size(path, reading) for path in files]
    for path, size in zip(files, sizes, strict=True):
        if size == 0:
            raise CorpusError(f"{path}: has no text")
    total = sum(sizes)
    bounds = [(0, 0)]  # where each split begins: the file's number, and the byte of its text
    for wanted in (total - int(total * (valid_share + test_share)), total - int(total * test_share)):
        number, byte = _place_of(wanted, sizes)
        is_last = number == len(files) - 1
        bounds.append((number, _cut_point(files[number], byte, sizes[number], is_last=is_last)))
    bounds.append((len(files), 0))
    return {
        split: list(_spans(files, begin, end)) for split, begin, end in zip(SPLITS, bounds, bounds[1:], strict=False)
    }


def _place_of(byte: int, sizes: Sequence[int]) -> tuple[int, int]:
    """Return the number of the file that holds a byte of the whole text, and which of its bytes that is."""
    for number, size in enumerate(sizes):
        if byte <= size:
            return number, byte
        byte -= size
    raise AssertionError("unreachable: no share ends behind the text")


def _spans(files: Sequence[Path], begin: tuple[int, int], end: tuple[int, int]) -> Iterator[Span]:
    for number in range(begin[0], min(end[0] + 1, len(files))):
        start = begin[1] if number == begin[0] else 0
        stop = end[1] if number == end[0] else None
        if stop is None or start < stop:
            yield Span(files[number], start, stop)


def _cut_point(path: Path, wanted: int, size: int, *, is_last: bool) -> int:
    """Return the first byte at or after ``wanted`` that begins a line; within a long line, that begins a word."""
    start = max(wanted - 1, 0)  # where the byte before is a line end already, the cut is at ``wanted`` itself
    first = max(start - WINDOW, 0)
    around = b"".join(blocks(path, first, min(start + WINDOW, size)))
    before, window = around[: start - first], around[start - first :]
    reaches_end = start + WINDOW >= size
    line = start + window.find(b"\n") + 1
    if line > start and not (is_last and line == size):
        return line
    if reaches_end and (b"\n" in before or not is_last):
        return size
    blanks = [place for byte in b" \t\r" if (place := window.find(byte)) >= 0]
    if blanks:
        return start + min(blanks) + 1
    if reaches_end:
        return size
    raise CorpusError(
        f"{path}: can't be cut: neither line end nor blank in {WINDOW:,} bytes from offset {start}; "
        "name the files of the splits with --valid and --test"
    )
