"""Counting words in bounded memory: exact, by sorted runs on disk that are merged, and the vocabulary that results."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from timernn_suite.corpus.model import EOS, UNK, Vocabulary

#: Types that are counted in memory, some 50 MB of them, before they go to disk.
TYPES_IN_MEMORY = 1 << 18

#: Runs on disk, hence open files in a merge, before they are merged to one.
_MOST_RUNS = 64


class WordCounts:
    """How often each word occurs; beyond `TYPES_IN_MEMORY` types the counts wait in ``folder``.

    Parameters
    ----------
    folder : Path
        Is made when it is needed. Its owner removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: Counter[str] = Counter()
        self._runs: list[Path] = []
        self._made = 0

    def update(self, words: list[str]) -> None:
        """Count some more words, none of which holds white space."""
        self._counts.update(words)
        if len(self._counts) > TYPES_IN_MEMORY:
            self._spill(sorted(self._counts.items()))
            self._counts.clear()

    def vocabulary(self, size: int, min_count: int) -> Vocabulary:
        """Return the ``size`` types that occur most often, none of them less often than ``min_count``.

        ``<unk>`` is id 0 and ``<eos>`` id 1, both always there and part of ``size``. The others follow by falling
        count; of two with the same count the one comes first whose characters have the smaller code points.
        """
        candidates = ((-count, word) for word, count in self._merged() if count >= min_count and word not in (EOS, UNK))
        return Vocabulary((UNK, EOS, *(word for _, word in heapq.nsmallest(size - 2, candidates))))

    def _merged(self) -> Iterator[tuple[str, int]]:
        if not self._runs:
            return iter(self._counts.items())
        return _merge(self._runs, sorted(self._counts.items()))

    def _spill(self, counts: list[tuple[str, int]]) -> None:
        self._runs.append(self._written(iter(counts)))
        if len(self._runs) >= _MOST_RUNS:
            whole = self._written(_merge(self._runs, []))
            for run in self._runs:
                run.unlink()
            self._runs = [whole]

    def _written(self, counts: Iterator[tuple[str, int]]) -> Path:
        self._folder.mkdir(exist_ok=True)
        self._made += 1
        path = self._folder / f"{self._made}.counts"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{word} {count}\n" for word, count in counts)
        return path


def _merge(runs: list[Path], counts: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Yield word and count in the order of the words, from sorted runs and sorted ``counts``."""
    with ExitStack() as stack:
        files = [stack.enter_context(run.open(encoding="utf-8", newline="\n")) for run in runs]
        sorted_runs = [map(_parsed, file) for file in files]
        for word, same in groupby(heapq.merge(*sorted_runs, counts), key=itemgetter(0)):
            yield word, sum(count for _, count in same)


def _parsed(line: str) -> tuple[str, int]:
    word, count = line.split(" ")
    return word, int(count)
