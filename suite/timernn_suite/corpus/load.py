"""A corpus by name or path: the seeded source, the Penn Treebank, a corpus that was added, or a user's own text."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from timernn_suite.corpus import ptb, text
from timernn_suite.corpus.added import find_added, load_added
from timernn_suite.corpus.cache import cache_folder
from timernn_suite.corpus.markov import MarkovSource
from timernn_suite.corpus.model import SPLITS, Corpus, CorpusError
from timernn_suite.corpus.store import EntryWriter, load_entry

#: Tokens in each split of the default corpus, ``markov``.
TOKENS = {"train": 120_000, "valid": 12_000, "test": 12_000}


def load_corpus(
    spec: str | os.PathLike[str] = "markov",
    *,
    data: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: bool = False,
    min_count: int = 2,
) -> Corpus:
    """Load a corpus.

    Parameters
    ----------
    spec : str or path
        ``"markov"``: the seeded source, made on the spot. ``"ptb"``: the Penn Treebank. The name of a corpus that
        ``timernn data add`` made. Else a path: of a corpus' folder that ``timernn data add --to`` made, of a text
        file with one sentence a line, cut into train, valid and test (80, 10 and 10 % of its lines, in order), or
        of a folder that holds ``train.txt``, ``valid.txt`` and ``test.txt``. A `pathlib.Path` is
        always a path, whatever its name.
    data : path, optional
        For ``"ptb"``, a folder that holds the three files, or holds them in ``ptb/``; by default the environment's
        ``TIMERNN_DATA``. Where they aren't there, the cache and then the network are tried.
    cache : path, optional
        Where downloads and encoded text are kept; by default the environment's ``TIMERNN_CACHE``, else the user's
        cache. If it can't be written to, a temporary folder serves, with a warning.
    download : bool
        Whether the network may be used.
    progress : bool
        Whether a download shows a progress bar.
    min_count : int
        For the path of a text: words that the training text has less often become ``<unk>``. Words of valid and
        test that the training text doesn't have always do. A corpus that was added keeps what it was added with.

    Returns
    -------
    Corpus
        Its splits are mapped from the cache, not read into memory.

    Raises
    ------
    CorpusError
        If the corpus can't be found, read or trusted; the message says what to do.
    ValueError
        If ``min_count`` is less than 1.
    """
    if min_count < 1:
        raise ValueError(f"min_count: must be at least 1, got {min_count}")
    if spec == "markov":
        return markov_corpus()
    folder = cache_folder(cache)
    if spec == "ptb":
        paths = ptb.find_ptb(data, cache, download=download, progress=progress)
        return _from_files("ptb", "Penn Treebank (Mikolov)", paths, folder, min_count=1)
    added = find_added(spec, cache)
    if added is not None:
        return load_added(added)
    path = Path(spec)
    if path.is_dir():
        paths = {split: path / f"{split}.txt" for split in SPLITS}
        absent = [file.name for file in paths.values() if not file.is_file()]
        if absent:
            raise CorpusError(
                f"{path}: a folder of text holds train.txt, valid.txt and test.txt; no {', '.join(absent)}"
            )
        name = path.resolve().name
        return _from_files(name, f"text folder {name}", paths, folder, min_count=min_count)
    if not path.exists():
        raise CorpusError(
            f"corpus {os.fspath(spec)!r}: neither 'markov' nor 'ptb', nor one that was added, nor a file or folder"
        )
    return _from_one_file(path, folder, min_count=min_count)


def markov_corpus(seed: int = 0) -> Corpus:
    """Return the default corpus: 120,000 tokens to train on, 12,000 each to validate and test, of V = 400."""
    source = MarkovSource(seed)
    splits = {split: source.sample(tokens, split) for split, tokens in TOKENS.items()}
    return Corpus(
        name="markov",
        source=f"seeded Markov source of order 2 (seed {seed})",
        vocabulary=source.vocabulary,
        train=splits["train"],
        valid=splits["valid"],
        test=splits["test"],
        sha256={split: hashlib.sha256(ids.astype("<i4").tobytes()).hexdigest() for split, ids in splits.items()},
        entropy_rate=source.entropy_rate,
    )


def _from_files(name: str, source: str, paths: Mapping[str, Path], cache: Path, *, min_count: int) -> Corpus:
    sections = {split: text.Section(path) for split, path in paths.items()}
    return _encoded(name, source, list(paths.values()), lambda: sections, cache, min_count)


def _from_one_file(path: Path, cache: Path, *, min_count: int) -> Corpus:
    return _encoded(path.stem, f"text file {path.name}", [path], functools.partial(text.cut, path), cache, min_count)


def _encoded(
    name: str,
    source: str,
    files: list[Path],
    sections: Callable[[], Mapping[str, text.Section]],
    cache: Path,
    min_count: int,
) -> Corpus:
    hashes = [_sha256(file) for file in files]

    def write(writer: EntryWriter) -> None:
        text.write_entry(sections(), writer, min_count=min_count)
        if [_sha256(file) for file in files] != hashes:  # else the entry would stand under the hash of another text
            raise CorpusError(f"{source}: the text changed while it was read")

    entry = load_entry(cache, {"files": hashes, "min_count": min_count}, write)
    train, valid, test = (entry.ids[split] for split in SPLITS)
    return Corpus(name, source, entry.vocabulary, train, valid, test, entry.sha256)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CorpusError(f"{path}: can't be read: {error.strerror or error}") from error
