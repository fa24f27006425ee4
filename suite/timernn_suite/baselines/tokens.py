"""The loss of every single token by the protocol ``ptb-c1``, which is what models are compared and mixed by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from timernn_suite.corpus import Corpus
from timernn_suite.lm.perplexity import PTB_C1, Evaluation, predictor_of, token_losses
from timernn_suite.lm.rnnlm import Rnnlm

Floats = NDArray[np.float64]
#: From a text's ids (n,) to the negative log-likelihood in nats of each token, given all tokens before it.
TokenLoss = Callable[[NDArray[Any]], Floats]

#: What a figure may be compared with. A static model never changes while it reads; one with a cache learns from the
#: text that is scored; an interpolated one is several models.
STATIC, CACHE, INTERPOLATED = "static", "cache", "interpolated"
KINDS = (STATIC, CACHE, INTERPOLATED)
#: What is scored: the weights of mixtures are fitted on the first, and all figures that count are of the second.
SCORED_SPLITS = ("valid", "test")


@dataclass(frozen=True, eq=False)
class Scored:
    """A model's loss on every token of valid and test.

    Attributes
    ----------
    name : str
        The model.
    kind : str
        One of `KINDS`.
    nll : mapping of str to float64 array
        For ``"valid"`` and ``"test"`` the negative log-likelihood in nats of each token.
    seconds : float
        What it took to fit and to score; for a mixture, without its parts.
    settings : dict
        What the model was fitted by, JSON-ready.
    dtype : str
        Element type of the model's scores.
    """

    name: str
    kind: str
    nll: Mapping[str, Floats] = field(repr=False)
    seconds: float
    settings: dict[str, Any]
    dtype: str = "float64"

    def evaluation(self, split: str) -> Evaluation:
        """Return the perplexity on a split by ``ptb-c1``."""
        nll = self.nll[split]
        return Evaluation(PTB_C1, len(nll), math.fsum(nll), self.dtype)

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        evaluations = {split: self.evaluation(split).as_record() for split in SCORED_SPLITS}
        return {"name": self.name, "kind": self.kind, "seconds": self.seconds, "settings": self.settings} | evaluations


def score(
    name: str, corpus: Corpus, fit: Callable[[], tuple[TokenLoss, dict[str, Any]]], *, dtype: str = "float64"
) -> Scored:
    """Score valid and test under a static model, ``fit`` being what makes it and says by what settings."""
    started = time.perf_counter()
    loss, settings = fit()
    nll = {split: loss(getattr(corpus, split)) for split in SCORED_SPLITS}
    return Scored(name, STATIC, nll, time.perf_counter() - started, settings, dtype)


def contexts(ids: NDArray[Any], eos_id: int, size: int) -> NDArray[Any]:
    """Return the tokens before each token of a text, the nearest first.

    Parameters
    ----------
    ids : int array (n,)
        The text.
    eos_id : int
        Stands wherever the text hasn't begun yet.
    size : int
        How many tokens back.

    Returns
    -------
    int array (n, size)
        Column j holds the token j + 1 places back; a read-only view.
    """
    padded = np.concatenate([np.full(size, eos_id, ids.dtype), ids])
    return sliding_window_view(padded, size)[: len(ids), ::-1] if size else np.empty((len(ids), 0), ids.dtype)


def rnn_loss(model: Rnnlm, eos_id: int) -> TokenLoss:
    """Return the loss of each token under a recurrent model; the model's own state is left as it was."""
    return lambda ids: token_losses(predictor_of(model), ids, eos_id)[0]
