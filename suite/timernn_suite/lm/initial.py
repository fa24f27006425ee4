"""A model's first weights, seeded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.lm.options import PLAIN, Options


def initial_weights(
    V: int,
    D: int,
    H: int,
    *,
    seed: int,
    dtype: str = "float32",
    scheme: str = "textbook",
    gain: float = 0.9,
    options: Options = PLAIN,
) -> dict[str, NDArray[Any]]:
    """Draw a model's first weights.

    Parameters
    ----------
    V, D, H : int
        Sizes of vocabulary, embedding and recurrent layer.
    seed : int
        The same seed gives the same weights everywhere.
    dtype : str
        Element type; values are drawn in float64 and rounded.
    scheme : str
        ``"textbook"``: normal, with standard deviation 0.01 for the embedding and 1/√(inputs) elsewhere, biases 0.
        ``"orthogonal"``: the same but for an orthogonal ``Wh``, whose gradients neither vanish nor explode as fast.
        ``"chapter5"``: the textbook's from `numpy.random.RandomState`, in the order in which the reference run drew
        them, rounded to float32 before anything else.
    gain : float
        What an orthogonal ``Wh`` is multiplied by: all its singular values.
    options : Options
        Layers and tied weights; further layers have H inputs.
    """
    if scheme == "chapter5":
        if options.weight_names != PLAIN.weight_names:
            raise ValueError("scheme: 'chapter5' is for one layer without tied weights")
        legacy = np.random.RandomState(seed)  # the reference run's own generator
        return _textbook(legacy.randn, V, D, H, lambda values: values.astype("float32").astype(dtype))
    if scheme not in ("textbook", "orthogonal"):
        raise ValueError(f"scheme: must be 'textbook', 'orthogonal' or 'chapter5', got {scheme!r}")
    # One stream for each weight: a change of one size, or one more layer, leaves the other draws as they were.
    further = 2 * (options.layers - 1)
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4 + further)]
    turn = iter(streams)
    weights = _textbook(lambda *shape: next(turn).standard_normal(shape), V, D, H, lambda values: values.astype(dtype))
    for number in range(2, options.layers + 1):
        for name in ("Wx", "Wh"):
            weights[f"{name}{number}"] = (next(turn).standard_normal((H, H)) / np.sqrt(H)).astype(dtype)
        weights[f"b{number}"] = np.zeros(H, dtype)
    if scheme == "orthogonal":
        weights["Wh"] = _orthogonal(streams[2], H, gain).astype(dtype)
        for number in range(2, options.layers + 1):
            weights[f"Wh{number}"] = _orthogonal(streams[2 * number + 1], H, gain).astype(dtype)
    return {name: weights[name] for name in options.weight_names}


def _orthogonal(stream: np.random.Generator, H: int, gain: float) -> NDArray[np.float64]:
    """Return ``gain`` times an orthogonal matrix, uniform over all of them (Mezzadri, Notices of the AMS 54, 2007)."""
    q, r = np.linalg.qr(stream.standard_normal((H, H)))
    orthogonal: NDArray[np.float64] = gain * q * np.sign(np.diag(r))
    return orthogonal


def _textbook(
    normal: Callable[..., NDArray[Any]],
    V: int,
    D: int,
    H: int,
    rounded: Callable[[NDArray[Any]], NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    return {
        "embedding": rounded(normal(V, D) / 100),
        "Wx": rounded(normal(D, H) / np.sqrt(D)),
        "Wh": rounded(normal(H, H) / np.sqrt(H)),
        "b": rounded(np.zeros(H)),
        "output_W": rounded(normal(H, V) / np.sqrt(H)),
        "output_b": rounded(np.zeros(V)),
    }
