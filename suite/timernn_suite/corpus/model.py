"""What a corpus is: a vocabulary, three splits of token ids, and the record of where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import LabelError

#: A split: token ids in order, 1-D, read-only.
Ids = NDArray[np.integer[Any]]

#: The names of the splits, in the order in which everything lists them.
SPLITS = ("train", "valid", "test")

#: The token that stands for the end of a sentence.
EOS = "<eos>"

#: The token that stands for every word outside the vocabulary.
UNK = "<unk>"


class CorpusError(RuntimeError):
    """A corpus can't be found, read or trusted; the message says what to do."""


@dataclass(frozen=True)
class Vocabulary:
    """The types of a corpus and their ids.

    Attributes
    ----------
    words : tuple of str
        The types; a type's place is its id.
    index : dict
        The id of every type.
    eos_id : int
        The id of ``<eos>``.
    unk_id : int or None
        The id of ``<unk>``; None where the corpus has none.

    Raises
    ------
    CorpusError
        If a type occurs twice, or there is no ``<eos>``.
    """

    words: tuple[str, ...] = field(repr=False)
    index: dict[str, int] = field(init=False, repr=False, compare=False)
    eos_id: int = field(init=False)
    unk_id: int | None = field(init=False)

    def __post_init__(self) -> None:
        index = {word: position for position, word in enumerate(self.words)}
        if len(index) != len(self.words):
            raise CorpusError(f"vocabulary: {len(self.words) - len(index)} of {len(self.words)} types occur twice")
        if EOS not in index:
            raise CorpusError(f"vocabulary: has no {EOS}")
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "eos_id", index[EOS])
        object.__setattr__(self, "unk_id", index.get(UNK))

    def __len__(self) -> int:
        return len(self.words)

    def encode_words(self, words: Sequence[str]) -> tuple[Ids, list[str]]:
        """Turn words into ids, and say which of them the corpus doesn't know.

        Parameters
        ----------
        words : sequence of str
            Words as they stand in the text; ``<eos>`` and ``<unk>`` may be among them.

        Returns
        -------
        ids : int32 array (len(words),)
            An unknown word has the id of ``<unk>``.
        unknown : list of str
            The unknown words, each once, in the order in which they came.

        Raises
        ------
        CorpusError
            If a word is unknown and the vocabulary has no ``<unk>`` to stand for it.
        """
        unknown = list(dict.fromkeys(word for word in words if word not in self.index))
        if unknown and self.unk_id is None:
            raise CorpusError(f"not in the vocabulary, which has no {UNK}: {' '.join(unknown)}")
        ids = [self.index.get(word, self.unk_id) for word in words]
        return np.array(ids, dtype=np.int32), unknown

    def decode(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> list[str]:
        """Turn ids into words.

        Raises
        ------
        LabelError
            If an id lies outside ``0 … V-1``.
        """
        positions = [int(position) for position in ids]
        outside = [position for position in positions if not 0 <= position < len(self.words)]
        if outside:
            raise LabelError(f"ids: every id must lie in 0 … {len(self.words) - 1}, got {outside[0]}")
        return [self.words[position] for position in positions]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Text as token ids, in three splits.

    Attributes
    ----------
    name : str
        A short name for results.
    source : str
        Where the text came from, for a reader; never a path of this machine.
    vocabulary : Vocabulary
        The types and their ids.
    train, valid, test : int array (tokens,)
        The splits in order, each sentence closed by ``<eos>``; read-only. int32, or, in a corpus that was added by
        ``timernn data add``, uint16 where that is enough, else uint32.
    sha256 : mapping of str to str
        For each split the SHA-256 of its source text's bytes; of its ids as little-endian int32 where there is no text.
    entropy_rate : float or None
        Nats a token that no model can beat, where that is known.
    """

    name: str
    source: str
    vocabulary: Vocabulary
    train: Ids = field(repr=False)
    valid: Ids = field(repr=False)
    test: Ids = field(repr=False)
    sha256: Mapping[str, str]
    entropy_rate: float | None = None

    def describe(self) -> dict[str, Any]:
        """Return what a result's record needs: name, source, V, tokens and sha256 by split, entropy rate."""
        return {
            "name": self.name,
            "source": self.source,
            "V": len(self.vocabulary),
            "tokens": {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)},
            "sha256": {split: self.sha256[split] for split in SPLITS},
            "entropy_rate": self.entropy_rate,
        }
