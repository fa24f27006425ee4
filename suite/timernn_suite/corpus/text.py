"""Text to token ids, line by line: ids by first occurrence in the training text, each line closed by ``<eos>``."""

from __future__ import annotations

import codecs
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from timernn_suite.corpus.model import EOS, SPLITS, UNK, CorpusError, Vocabulary
from timernn_suite.corpus.store import EntryWriter

#: A single file is cut by its lines: one tenth each for valid and test, the rest for train.
FEWEST_LINES = 10


@dataclass(frozen=True)
class Section:
    """Whole lines of one file: the bytes from ``start`` to ``stop``, of which the first is line ``first_line``."""

    path: Path
    start: int = 0
    stop: int | None = None
    first_line: int = 1

    def lines(self) -> Iterator[tuple[bytes, list[str]]]:
        """Yield each line's bytes, and its words; a blank line has none.

        Raises
        ------
        CorpusError
            If the file can't be read or isn't UTF-8.
        """
        position = self.start
        try:
            with self.path.open("rb") as file:
                file.seek(position)
                for number, line in enumerate(file, self.first_line):
                    if self.stop is not None and position >= self.stop:
                        break
                    yield line, _words(self.path, line, number, position)
                    position += len(line)
        except OSError as error:
            raise CorpusError(f"{self.path}: can't be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Measure:
    """What must be known of a section before it can be encoded; ``counts`` in the order of first occurrence."""

    tokens: int
    sha256: str
    counts: Counter[str]


def cut(path: Path) -> dict[str, Section]:
    """Cut a file by its lines into 80 % train, then 10 % valid, then 10 % test. Blank lines don't count.

    Raises
    ------
    CorpusError
        If the file has fewer than 10 lines, or can't be read.
    """
    count = sum(1 for _, words in Section(path).lines() if words)
    if count == 0:
        raise CorpusError(f"{path}: has no text")
    if count < FEWEST_LINES:
        raise CorpusError(
            f"{path}: has {count} lines of text; it takes {FEWEST_LINES} to cut it into train, valid and test"
        )
    tenth = count // FEWEST_LINES
    bounds = [(0, 1), *_starts(path, {count - 2 * tenth, count - tenth})]
    if len(bounds) != len(SPLITS):
        raise CorpusError(f"{path}: the text changed while it was read")
    stops = [start for start, _ in bounds[1:]] + [None]
    return {
        split: Section(path, start, stop, first_line)
        for split, (start, first_line), stop in zip(SPLITS, bounds, stops, strict=True)
    }


def write_entry(sections: Mapping[str, Section], writer: EntryWriter, *, min_count: int) -> None:
    """Encode the sections and hand their ids, vocabulary and hashes to the store.

    Reads each section twice, a line at a time, so that memory holds the vocabulary and never the text. Words are
    what white space separates; a word ``<eos>`` or ``<unk>`` in the text is the token of that name.

    Parameters
    ----------
    sections : mapping of str to Section
        One for each split.
    writer : EntryWriter
        Where the result goes.
    min_count : int
        Words that the training text has less often become ``<unk>``, as do words that it doesn't have.

    Raises
    ------
    CorpusError
        If a section has no words, isn't UTF-8 or can't be read.
    """
    measures = {split: _measure(section) for split, section in sections.items()}
    vocabulary = _vocabulary(measures["train"].counts, min_count)
    for split, section in sections.items():
        with writer.ids(split, measures[split].tokens) as append:
            for _, words in section.lines():
                if words:
                    append([vocabulary.index.get(word, vocabulary.index[UNK]) for word in (*words, EOS)])
    writer.finish(vocabulary, {split: measure.sha256 for split, measure in measures.items()})


def _words(path: Path, line: bytes, number: int, position: int) -> list[str]:
    text = line.removeprefix(codecs.BOM_UTF8) if position == 0 else line
    try:
        return text.decode("utf-8").split()
    except UnicodeDecodeError as error:
        offset = position + len(line) - len(text) + error.start
        raise CorpusError(
            f"{path}, line {number}: byte 0x{text[error.start]:02x} at offset {offset} of the file isn't UTF-8"
        ) from error


def _starts(path: Path, wanted: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the byte and the line number at which the lines of text with these numbers (from 0) start."""
    position, seen = 0, 0
    for number, (line, words) in enumerate(Section(path).lines(), 1):
        if words:
            if seen in wanted:
                yield position, number
            seen += 1
        position += len(line)


def _measure(section: Section) -> _Measure:
    digest = hashlib.sha256()
    counts: Counter[str] = Counter()
    for line, words in section.lines():
        digest.update(line)
        if words:
            counts.update((*words, EOS))
    if not counts:
        raise CorpusError(f"{section.path}: has no text")
    return _Measure(counts.total(), digest.hexdigest(), counts)


def _vocabulary(counts: Counter[str], min_count: int) -> Vocabulary:
    """Keep frequent words by first occurrence; ``<unk>`` is where the first rare word was, at the latest the end."""
    frequent = (word if count >= min_count or word == EOS else UNK for word, count in counts.items())
    return Vocabulary(tuple(dict.fromkeys((*frequent, UNK))))
