"""Small language models with every option, for the tests that need one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.options import Options

#: Words, units of embedding and recurrent layers, streams, times.
V, H, N, T = 11, 6, 3, 5
OPTIONS = {
    "plain": Options(),
    "tied": Options(tied=True),
    "two layers": Options(layers=2),
    "three layers with a skip": Options(layers=3, skip=True),
    "dropout": Options(embedding_dropout=0.3, output_dropout=0.4),
    "recurrent dropout": Options(recurrent_dropout=0.4),
    "everything": Options(3, True, True, 0.2, 0.3, 0.4, 0.5),
}


def weights(dtype: str, options: Options) -> dict[str, NDArray[Any]]:
    """Return first weights, wide enough that every part has a say in the loss, biases included."""
    random = np.random.default_rng(4)
    first = initial_weights(V, H, H, seed=2, dtype="float64", options=options)
    return {name: (value + 0.3 * random.standard_normal(value.shape)).astype(dtype) for name, value in first.items()}


def block(seed: int = 5) -> NDArray[np.int64]:
    """Return ids and labels of a block, (2, N, T)."""
    return np.random.default_rng(seed).integers(0, V, (2, N, T))
