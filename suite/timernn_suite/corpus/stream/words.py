"""Words of a text as a stream: lists of them, block by block, however long a line or a word is."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from timernn_suite.corpus.model import EOS, UNK, CorpusError
from timernn_suite.corpus.stream.compressed import Reading, blocks

#: A word of more characters is `<unk>`: what comes without white space for so long is data and no word.
LONGEST_WORD = 255

#: What to do about bytes that aren't UTF-8 and about NUL: refuse the text, or put U+FFFD in their place.
ERRORS = ("strict", "replace")

_BYTE_ORDER_MARK = "\ufeff"
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Span:
    """A part of a file's text: its bytes, after decompression, from ``start`` to ``stop``."""

    path: Path
    start: int = 0
    stop: int | None = None


def read_words(
    span: Span,
    errors: str,
    *,
    reading: Reading | None = None,
    seen: Callable[[bytes], None] = lambda block: None,
) -> Iterator[list[str]]:
    """Yield the words of a span in order, ``<eos>`` for every line end and at the end of a last line without one.

    Parameters
    ----------
    span : Span
        What to read; white space separates its words, and a carriage return is white space. A word ``<eos>`` or
        ``<unk>`` of the text is the token of that name. A word of more than `LONGEST_WORD` characters is ``<unk>``.
    errors : str
        One of `ERRORS`.
    reading : callable, optional
        Told how far the file has been read.
    seen : callable
        Given every block of bytes before it is decoded.

    Raises
    ------
    CorpusError
        If the file can't be read or, unless ``errors`` is ``"replace"``, holds NUL or isn't UTF-8: with the
        offset of the byte.
    """
    begun = ""  # a word whose end is in the next block
    last = EOS
    for text in _decoded(span, errors, reading, seen):
        words = (begun + text).replace("\n", f" {EOS} ").split()
        begun = "" if text[-1].isspace() else words.pop()[: LONGEST_WORD + 1]
        if words:
            last = words[-1]
            yield _without_overlong(words)
    rest = _without_overlong([begun]) if begun else []
    if rest or last != EOS:
        yield [*rest, EOS]


def _without_overlong(words: list[str]) -> list[str]:
    if max(map(len, words)) <= LONGEST_WORD:
        return words
    return [word if len(word) <= LONGEST_WORD else UNK for word in words]


def _decoded(span: Span, errors: str, reading: Reading | None, seen: Callable[[bytes], None]) -> Iterator[str]:
    """Yield the text, no piece of it empty; a character whose bytes lie in two blocks comes whole."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    position = span.start
    at_start = span.start == 0
    for block in blocks(span.path, span.start, span.stop, reading):
        seen(block)
        begun = len(decoder.getstate()[0])
        text = _decode(decoder, block, span.path, position - begun)
        if "\0" in text:
            if errors == "strict":
                raise _bad_byte(span.path, 0, position + block.index(0), "no text: it may be binary, or UTF-16")
            text = text.replace("\0", _REPLACEMENT)
        if text and at_start:
            text, at_start = text.removeprefix(_BYTE_ORDER_MARK), False
        position += len(block)
        if text:
            yield text
    if rest := _decode(decoder, b"", span.path, position - len(decoder.getstate()[0]), final=True):
        yield rest


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, path: Path, offset: int, *, final: bool = False) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as error:
        raise _bad_byte(path, error.object[error.start], offset + error.start, "not UTF-8") from error


def _bad_byte(path: Path, byte: int, offset: int, what: str) -> CorpusError:
    return CorpusError(f"{path}: byte 0x{byte:02x} at offset {offset} is {what}; --errors replace reads on with U+FFFD")
