"""Perplexity by named protocols: ``ptb-c1``, to compare models by, and ``book-10x35``, the textbook's own.

``ptb-c1``: the state starts at zero and the first input is ``<eos>``; every token of the text is scored,
in order, ``<eos>`` and ``<unk>`` included; the state is carried through and never reset; there is one
stream. The loss of a token is ``logsumexp(z) - z[token]`` with the maximum taken off, in float64, and
the sum is exact (`math.fsum`). It does not depend on how the text is cut in time.

``book-10x35``: ten streams at shifted offsets, blocks of 35, the tail that fills no block is dropped.
Streams begin in the middle of the text with a zero state, so its figures are not those of ``ptb-c1``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.lm.batching import Batches
from timernn_suite.lm.rnnlm import Rnnlm

PTB_C1 = "ptb-c1"
BOOK_10X35 = "book-10x35"

#: So many scores are taken to float64 at a time, 1 MiB, to keep the temporary arrays in a core's cache.
_BLOCK_SCORES = 1 << 17

#: From inputs ``ids (n,)`` to the scores ``(n, V)`` of the token after each, the state carried from call to call.
Predictor = Callable[[NDArray[Any]], NDArray[Any]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """A perplexity and all that it takes to compare it.

    Attributes
    ----------
    protocol : str
        Name of the protocol.
    tokens : int
        How many tokens were scored.
    nll : float
        Their summed negative log-likelihood in nats.
    dtype : str
        Element type of the model's scores.
    """

    protocol: str
    tokens: int
    nll: float
    dtype: str

    @property
    def perplexity(self) -> float:
        """exp(nll / tokens); infinity beyond the range of a float."""
        return perplexity_of(self.nll / self.tokens)

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record; the sum is there as a hex float too, which loses nothing."""
        return {
            "protocol": self.protocol,
            "perplexity": self.perplexity,
            "tokens": self.tokens,
            "nll": self.nll,
            "nll_hex": self.nll.hex(),
            "dtype": self.dtype,
        }


def perplexity_of(mean_nll: float) -> float:
    """Return exp of a mean loss in nats; infinity beyond the range of a float, NaN for NaN."""
    try:
        return math.exp(mean_nll)
    except OverflowError:
        return math.inf


def nll_of_scores(scores: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return the negative log-likelihood in nats of each target, in float64.

    Parameters
    ----------
    scores : float array (n, V)
        Before softmax.
    targets : int array (n,)
        Ids in ``0 … V-1``.

    Returns
    -------
    float64 array (n,)
    """
    n, V = scores.shape
    nll = np.empty(n)
    rows = max(1, _BLOCK_SCORES // V)
    with np.errstate(invalid="ignore", over="ignore"):  # a model that has gone to NaN says so by its perplexity
        for start in range(0, n, rows):
            part = scores[start : start + rows].astype(np.float64)
            wanted = targets[start : start + rows]
            part -= part.max(axis=1, keepdims=True)
            scored = part[np.arange(len(part)), wanted]
            np.exp(part, out=part)
            nll[start : start + rows] = np.log(part.sum(axis=1)) - scored
    return nll


def token_losses(
    predict: Predictor,
    ids: NDArray[Any],
    eos_id: int,
    *,
    time_size: int = 256,
    progress: Progress = lambda done, total: None,
) -> tuple[NDArray[np.float64], str]:
    """Return the loss (n,) in nats of each token of ``ids`` by ``ptb-c1``, and the element type of the scores.

    Parameters
    ----------
    predict : callable
        See `Predictor`; called with consecutive pieces of the input, the first of which is ``eos_id``.
    ids : int array (n,)
        The text.
    eos_id : int
        The id of ``<eos>``.
    time_size : int
        How many tokens each call gets; makes no difference to the result but rounding.
    progress : callable
        Told after each call how many tokens are done, and how many there are.

    Raises
    ------
    ValueError
        If there is nothing to score.
    """
    if len(ids) == 0:
        raise ValueError("ids: must hold at least one token, got none")
    pieces: list[NDArray[np.float64]] = []
    dtype = ""
    for start in range(0, len(ids), time_size):
        targets = ids[start : start + time_size]
        inputs = np.empty(len(targets), dtype=np.int32)
        inputs[0] = eos_id if start == 0 else ids[start - 1]
        inputs[1:] = targets[:-1]
        scores = predict(inputs)
        dtype = str(scores.dtype)
        pieces.append(nll_of_scores(scores, targets))
        progress(min(start + time_size, len(ids)), len(ids))
    return np.concatenate(pieces), dtype


def evaluate_predictor(
    predict: Predictor,
    ids: NDArray[Any],
    eos_id: int,
    *,
    time_size: int = 256,
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Return the perplexity of ``ids`` by ``ptb-c1`` under anything that predicts: a model, or a source itself.

    The parameters are those of `token_losses`.
    """
    nll, dtype = token_losses(predict, ids, eos_id, time_size=time_size, progress=progress)
    return Evaluation(PTB_C1, len(ids), math.fsum(nll), dtype)


def predictor_of(model: Rnnlm) -> Predictor:
    """Return what predicts as the model does, from the beginning of a text; the model's own state stays as it is."""
    twin = model.for_evaluation()

    def predict(inputs: NDArray[Any]) -> NDArray[Any]:
        scores: NDArray[Any] = model.backend.to_numpy(twin.predict(inputs[None, :]))[0]
        return scores

    return predict


def evaluate(
    model: Rnnlm,
    ids: NDArray[Any],
    eos_id: int,
    *,
    time_size: int = 256,
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Return the perplexity of ``ids`` under a model by ``ptb-c1``; the model's own state is left as it was."""
    return evaluate_predictor(predictor_of(model), ids, eos_id, time_size=time_size, progress=progress)


def evaluate_book(model: Rnnlm, ids: NDArray[Any]) -> Evaluation:
    """Return the perplexity of ``ids`` by ``book-10x35``; the model's own state is left as it was."""
    twin = model.for_evaluation()
    batches = Batches(ids, 10, 35)
    pieces, dtype = [], ""
    for inputs, targets in _epoch(batches):
        scores = model.backend.to_numpy(twin.predict(inputs))
        dtype = str(scores.dtype)
        pieces.append(nll_of_scores(scores.reshape(targets.size, scores.shape[2]), targets.ravel()))
    nll = np.concatenate(pieces)
    return Evaluation(BOOK_10X35, len(nll), math.fsum(nll), dtype)


def _epoch(batches: Batches) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    for iteration in range(batches.iterations_per_epoch):
        yield batches.at(iteration * batches.time_size)
