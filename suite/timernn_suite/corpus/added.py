"""Corpora that ``timernn data add`` made: where they are by name, and loading them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from timernn_suite.corpus.cache import cache_folder
from timernn_suite.corpus.model import SPLITS, Corpus, CorpusError
from timernn_suite.corpus.store import MANIFEST, Entry, read_entry

#: Names that mean something else.
RESERVED = ("markov", "ptb")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def place_of(name: str, cache: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of an added corpus, which need not be there.

    Raises
    ------
    CorpusError
        If no corpus can be called that.
    """
    if name in RESERVED or not _NAME.fullmatch(name):
        raise CorpusError(
            f"name: must be letters, digits, '_', '-' and '.', not begin with '-' or '.', "
            f"and not be {' or '.join(RESERVED)}; got {name!r}"
        )
    return cache_folder(cache) / "corpora" / name


def find_added(spec: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the folder of the added corpus that a name or path means, None if it means none."""
    if isinstance(spec, str) and spec not in RESERVED and _NAME.fullmatch(spec) and _is_corpus(place_of(spec, cache)):
        return place_of(spec, cache)
    return Path(spec) if _is_corpus(Path(spec)) else None


def added_corpora(cache: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Yield the folders of all corpora that were added by name."""
    yield from filter(_is_corpus, sorted((cache_folder(cache) / "corpora").glob("*")))


def load_added(place: Path) -> Corpus:
    """Load the corpus in that folder, its splits mapped into memory.

    Raises
    ------
    CorpusError
        If a byte of it isn't what was written.
    """
    entry = read_entry(place)
    if entry is None:
        raise CorpusError(
            f"{place}: this corpus is damaged, or of another version; remove that folder and add the text again"
        )
    return corpus_of(entry)


def corpus_of(entry: Entry) -> Corpus:
    """Return an entry that `timernn_suite.corpus.stream.encode.add_text` wrote as a corpus."""
    train, valid, test = (entry.ids[split] for split in SPLITS)
    name, source = (str(entry.about.get(key, "encoded text")) for key in ("name", "source"))
    return Corpus(name, source, entry.vocabulary, train, valid, test, entry.sha256)


def _is_corpus(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (MANIFEST, *(f"{split}.npy" for split in SPLITS)))
