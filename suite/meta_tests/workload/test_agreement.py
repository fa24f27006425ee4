"""All backends give a model the same perplexity, wherever the text is cut: it is a property of the weights alone."""

from __future__ import annotations

import numpy as np
import pytest

from timernn import backend_statuses, load_backend
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.options import Options
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.rnnlm import Rnnlm

#: Nats a token, part of the protocol ``ptb-c1``.
ALLOWED = {"float64": 1e-12, "float32": 1e-6}
V, H = 40, 16
TEXT = np.random.default_rng(3).integers(0, V, 400)
OTHERS = [status.name for status in backend_statuses() if status.available and status.name != "numpy"]


@pytest.mark.parametrize("time_size", [1, 7, 35, len(TEXT)])
@pytest.mark.parametrize("dtype", sorted(ALLOWED))
@pytest.mark.parametrize(
    "options", [Options(), Options(layers=2, tied=True, skip=True)], ids=["plain", "two tied layers"]
)
@pytest.mark.parametrize("name", OTHERS)
def test_a_perplexity_is_that_of_numpy(name, options, dtype, time_size):
    # Large enough that the state matters and the scores lie far apart; but for the recurrent weights, with which a
    # state would go through rounding like the weather: a difference of one bit would be another state in the end.
    weights = initial_weights(V, H, H, seed=1, dtype="float64", scheme="orthogonal", options=options)
    sharp = {key: ((1 if key.startswith("Wh") else 5) * value).astype(dtype) for key, value in weights.items()}
    nll = {
        backend: evaluate(Rnnlm(load_backend(backend), sharp, options), TEXT, 0, time_size=size).nll
        for backend, size in ((name, time_size), ("numpy", 35))
    }
    assert abs(nll[name] - nll["numpy"]) / len(TEXT) <= ALLOWED[dtype]
