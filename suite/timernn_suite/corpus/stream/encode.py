"""Files of text to a corpus on disk in two passes: one counts words, one writes ids; found again by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from timernn import __version__
from timernn_suite.corpus.model import EOS, SPLITS, UNK, CorpusError, Vocabulary
from timernn_suite.corpus.store import Entry, EntryWriter, build_entry, read_entry
from timernn_suite.corpus.stream.compressed import BLOCK, Reading, is_compressed
from timernn_suite.corpus.stream.counting import WordCounts
from timernn_suite.corpus.stream.cutting import cut_files
from timernn_suite.corpus.stream.words import ERRORS, Span, read_words

#: Told of a step that begins, by its name and the bytes of files it will read; returns what hears of its reading.
Steps = Callable[[str, int], Reading]


@dataclass(frozen=True)
class Options:
    """How text becomes ids.

    Attributes
    ----------
    vocabulary_size : int
        Types at most, ``<unk>`` and ``<eos>`` among them.
    min_count : int
        Words that the training text has less often are ``<unk>``.
    valid_share, test_share : float
        Of the text's bytes, from its end; without meaning where the splits have files of their own.
    errors : str
        Bytes that aren't UTF-8, and NUL: ``"strict"`` refuses the text, ``"replace"`` puts U+FFFD in their place.

    Raises
    ------
    ValueError
        If one of them is out of range.
    """

    vocabulary_size: int = 10_000
    min_count: int = 2
    valid_share: float = 0.05
    test_share: float = 0.05
    errors: str = "strict"

    def __post_init__(self) -> None:
        if self.vocabulary_size < 3:
            raise ValueError(f"vocabulary_size: must be at least 3, got {self.vocabulary_size}")
        if self.min_count < 1:
            raise ValueError(f"min_count: must be at least 1, got {self.min_count}")
        for name in ("valid_share", "test_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: must lie between 0 and 1, got {getattr(self, name)}")
        if not self.valid_share + self.test_share < 1:
            raise ValueError(
                f"valid_share and test_share: leave nothing to train on: {self.valid_share + self.test_share}"
            )
        if self.errors not in ERRORS:
            raise ValueError(f"errors: must be one of {', '.join(ERRORS)}, got {self.errors!r}")


def add_text(
    place: Path,
    files: Mapping[str, Sequence[Path]],
    options: Options,
    *,
    name: str,
    replace: bool,
    steps: Steps = lambda step, total: lambda more: None,
) -> tuple[Entry, bool]:
    """Encode text into the folder ``place``, or find it done there.

    Parameters
    ----------
    place : Path
        The corpus' folder. It appears whole, when all is written and checked, or not at all.
    files : mapping of str to sequence of Path
        ``{"train": …}`` alone is cut by the options' shares; else each split has its own. Files of a split are read
        in order, and the end of a file ends a line.
    options : Options
        Part of what the corpus is found by, as are the hashes of the files.
    name : str
        What the corpus calls itself in results.
    replace : bool
        Whether a damaged corpus in ``place`` is written anew.
    steps : callable
        For a progress bar.

    Returns
    -------
    entry : Entry
        The corpus.
    new : bool
        False if it was there already, and nothing was done.

    Raises
    ------
    CorpusError
        If a file can't be read or used, or ``place`` holds something else.
    """
    everything = [path for split in files.values() for path in split]
    total = _total(everything)
    inputs = _inputs(files, steps("checking", total))
    found = read_entry(place)
    if found is not None:
        return _same(found, place, inputs, options), False
    if not replace and place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise CorpusError(f"{place}: there is something already that is no sound corpus; name another folder")

    def write(writer: EntryWriter) -> None:
        spans = _spans(files, options, steps)
        vocabulary = _count(spans["train"], options, writer.scratch, steps("counting", _bytes_to_read(spans["train"])))
        to_read = sum(map(_bytes_to_read, spans.values()))
        hashes = _write_ids(spans, vocabulary, options.errors, writer, steps("encoding", to_read))
        if _inputs(files, steps("checking", total)) != inputs:  # else it would stand under the hash of another text
            raise CorpusError(f"{name}: the text changed while it was read")
        about = {"name": name, "source": _source(everything), "inputs": inputs, "options": asdict(options)}
        writer.finish(vocabulary, hashes, about | {"timernn": __version__})

    made = build_entry(place, write, replace=replace)
    return _same(made, place, inputs, options), True  # where another process wrote there at once, it is its corpus


def _same(entry: Entry, place: Path, inputs: Sequence[Mapping[str, Any]], options: Options) -> Entry:
    """Return an entry, which must be the one that these inputs and options make."""
    found = _identity(entry.about.get("inputs", ()), entry.about.get("options", {}))
    if found != _identity(inputs, asdict(options)):
        raise CorpusError(
            f"{place}: holds another corpus, made of other text or by other options; give this one another name, "
            "or remove that folder"
        )
    return entry


def _total(files: Sequence[Path]) -> int:
    for path in files:
        if not path.is_file():
            raise CorpusError(f"{path}: {'is no regular file' if path.exists() else 'no such file'}")
    return sum(path.stat().st_size for path in files)


def _inputs(files: Mapping[str, Sequence[Path]], reading: Reading) -> list[dict[str, Any]]:
    """Return for every file the split that it was given for, its name without a folder, its size and its hash."""
    records = []
    for split, paths in files.items():
        for path in paths:
            digest, size = hashlib.sha256(), 0
            try:
                with path.open("rb") as file:
                    while block := file.read(BLOCK):
                        digest.update(block)
                        size += len(block)
                        reading(len(block))
            except OSError as error:
                raise CorpusError(f"{path}: can't be read: {error.strerror or error}") from error
            records.append({"split": split, "name": path.name, "bytes": size, "sha256": digest.hexdigest()})
    return records


def _identity(inputs: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two corpora share if they are the same: neither names nor shares that weren't used count."""
    cut = {record["split"] for record in inputs} != set(SPLITS)
    used = {name: value for name, value in options.items() if cut or name not in ("valid_share", "test_share")}
    return {"files": [(record["split"], record["sha256"]) for record in inputs], **used}


def _spans(files: Mapping[str, Sequence[Path]], options: Options, steps: Steps) -> dict[str, list[Span]]:
    if set(files) == set(SPLITS):
        return {split: [Span(path) for path in files[split]] for split in SPLITS}
    compressed = [path for path in files["train"] if is_compressed(path)]
    measuring = steps("measuring", _total(compressed)) if compressed else None
    return cut_files(files["train"], options.valid_share, options.test_share, measuring)


def _bytes_to_read(spans: Sequence[Span]) -> int:
    """Return about how many bytes of files reading those spans takes: a compressed file is read from its beginning."""
    total = 0
    for span in spans:
        size = span.path.stat().st_size
        total += size if is_compressed(span.path) else (size if span.stop is None else span.stop) - span.start
    return total


def _count(spans: Sequence[Span], options: Options, scratch: Path, reading: Reading) -> Vocabulary:
    counts = WordCounts(scratch)
    for span in spans:
        for words in read_words(span, options.errors, reading=reading):
            counts.update(words)
    return counts.vocabulary(options.vocabulary_size, options.min_count)


def _write_ids(
    spans: Mapping[str, Sequence[Span]], vocabulary: Vocabulary, errors: str, writer: EntryWriter, reading: Reading
) -> dict[str, str]:
    """Write the ids of every split, and return the hashes of their text."""
    dtype = np.uint16 if len(vocabulary) <= np.iinfo(np.uint16).max + 1 else np.uint32
    get, unk = vocabulary.index.get, vocabulary.index[UNK]
    hashes = {}
    for split, parts in spans.items():
        digest = hashlib.sha256()
        any_word = False
        with writer.ids(split, dtype=dtype) as append:
            for span in parts:
                of_span = False
                for words in read_words(span, errors, reading=reading, seen=digest.update):
                    append(np.fromiter(map(get, words, repeat(unk)), dtype, len(words)))
                    of_span = of_span or any(word != EOS for word in words)
                if not of_span and span.start == 0 and span.stop is None:
                    raise CorpusError(f"{span.path}: has no text")
                any_word = any_word or of_span
        if not any_word:
            raise CorpusError(f"{split}: no text is left for it; give more text, a larger share, or files of its own")
        hashes[split] = digest.hexdigest()
    return hashes


def _source(files: Sequence[Path]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"text {files[0].name}{more}"
