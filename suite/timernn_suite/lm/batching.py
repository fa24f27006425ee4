"""Mini-batches for truncated BPTT: streams through one text at shifted offsets, a block of time after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import DTypeError, ShapeError


class Batches:
    """Blocks of N streams and T tokens; a token's target is the token after it.

    The inputs are all tokens but the last, the targets all but the first: ``size`` of each. Stream i starts at
    ``i * jump`` with ``jump = size // N`` and wraps around at the end, so that a state carried from block to block
    goes on with its own stream. The time index goes on across epochs too: the second doesn't repeat the first's
    blocks. After the textbook's chapter-5 run: N=10 and T=5 on 1000 tokens make 19 iterations an epoch.

    Parameters
    ----------
    ids : int array (tokens,)
        A text's token ids; memory-mapped ones are read as far as a block needs.
    batch_size, time_size : int
        N and T.

    Attributes
    ----------
    size, jump : int
        Input tokens, and how far apart the streams start.

    Raises
    ------
    DTypeError
        If ``ids`` isn't an integer array.
    ShapeError
        If ``ids`` isn't 1-D, a size isn't a positive integer, or the text is too short for one block.
    """

    def __init__(self, ids: NDArray[np.integer[Any]], batch_size: int, time_size: int) -> None:
        if not isinstance(ids, np.ndarray) or not np.issubdtype(ids.dtype, np.integer):
            got = ids.dtype if isinstance(ids, np.ndarray) else type(ids).__name__
            raise DTypeError(f"ids: must be an integer array, got {got}")
        if ids.ndim != 1:
            raise ShapeError(f"ids: shape must be (tokens,), got {ids.shape}")
        self.batch_size = _positive("batch_size", batch_size)
        self.time_size = _positive("time_size", time_size)
        self.size = len(ids) - 1
        self.jump = self.size // self.batch_size
        if self.iterations_per_epoch < 1:
            raise ShapeError(
                f"ids: {len(ids)} tokens don't make one block of batch_size={batch_size} by time_size={time_size}; "
                f"at least {self.batch_size * self.time_size + 1} are needed"
            )
        self._ids = ids

    @property
    def iterations_per_epoch(self) -> int:
        """Blocks that an epoch has: ``size // (N T)``."""
        return self.size // (self.batch_size * self.time_size)

    def positions(self, time_index: int) -> NDArray[np.int64]:
        """Return where in the text a block's inputs lie, (N, T); the targets lie one further.

        Parameters
        ----------
        time_index : int
            Tokens that each stream has read before: 0, T, 2T, and so on without end. The caller counts.

        Raises
        ------
        ValueError
            If it is negative or no multiple of T, as a count of blocks would be.
        """
        if time_index < 0 or time_index % self.time_size:
            raise ValueError(
                f"time_index: counts tokens, so it must be 0 or a positive multiple of time_size={self.time_size}, "
                f"got {time_index}"
            )
        starts = np.arange(self.batch_size, dtype=np.int64) * self.jump
        times = time_index + np.arange(self.time_size, dtype=np.int64)
        positions: NDArray[np.int64] = (starts[:, None] + times) % self.size
        return positions

    def at(self, time_index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return a block's inputs and targets, int32 (N, T) each, new and the caller's own.

        Parameters
        ----------
        time_index : int
            As for `positions`.
        """
        positions = self.positions(time_index)
        return self._read(positions), self._read(positions + 1)

    def _read(self, positions: NDArray[np.int64]) -> NDArray[np.int32]:
        return np.ascontiguousarray(self._ids[positions], dtype=np.int32)


def _positive(argument: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ShapeError(f"{argument}: must be a positive integer, got {value!r}")
    return int(value)
