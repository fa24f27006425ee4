"""Linear interpolation of models, with weights that the EM algorithm fits on the validation text."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timernn_suite.baselines.tokens import SCORED_SPLITS, Floats, Scored

#: EM ends when no weight moves by more than this, which is far less than shows in a perplexity's sixth digit.
_TOLERANCE = 1e-9
_MOST_STEPS = 10_000


def fit_weights(nll: Floats) -> Floats:
    """Return the weights with which the mixture of models makes a text most likely.

    The likelihood has one maximum, and every step of EM (Dempster, Laird and Rubin 1977; Jelinek and Mercer 1980)
    comes closer to it.

    Parameters
    ----------
    nll : float64 array (models, n)
        The loss in nats of each token under each model; infinite where a model excludes the token.

    Returns
    -------
    float64 array (models,)
        They sum to 1.

    Raises
    ------
    ValueError
        If there is a token that every model excludes.
    """
    likelihoods = _scaled(nll)
    weights = np.full(len(nll), 1 / len(nll))
    for _ in range(_MOST_STEPS):
        shares = weights[:, None] * likelihoods
        updated = (shares / shares.sum(axis=0)).mean(axis=1)
        moved = np.abs(updated - weights).max()
        weights = updated
        if moved < _TOLERANCE:
            break
    return weights


def mixed_nll(nll: Floats, weights: NDArray[np.float64]) -> Floats:
    """Return the loss in nats of each token under a mixture, (n,); ``nll`` as for `fit_weights`."""
    losses: Floats = nll.min(axis=0) - np.log(weights @ _scaled(nll))
    return losses


def interpolate(name: str, kind: str, parts: Sequence[Scored]) -> Scored:
    """Return the mixture of models, its weights fitted on valid."""
    started = time.perf_counter()
    stacked = {split: np.stack([part.nll[split] for part in parts]) for split in SCORED_SPLITS}
    weights = fit_weights(stacked["valid"])
    nll = {split: mixed_nll(stacked[split], weights) for split in SCORED_SPLITS}
    shares = [{"model": part.name, "weight": float(weight)} for part, weight in zip(parts, weights, strict=True)]
    return Scored(name, kind, nll, time.perf_counter() - started, {"weights": shares})


def _scaled(nll: Floats) -> Floats:
    """Return the probability of each token under each model, as a share of the best model's for that token."""
    best = nll.min(axis=0)
    if not np.isfinite(best).all():
        raise ValueError("nll: every token must be possible under at least one model")
    scaled: Floats = np.exp(best - nll)
    return scaled
