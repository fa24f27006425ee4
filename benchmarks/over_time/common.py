"""What all benchmark classes share: the backends, the shapes, and how a backend that can't run here is left out."""

import tomllib
from pathlib import Path

import numpy as np

from timernn import load_backend
from timernn.contract import BackendBroken, BackendUnavailable
from timernn_suite.speed import BLOCKS, STEPS

_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SPECS = _PROJECT["entry-points"]["timernn.backends"]

#: The backends that this project brings along, whether they can run here or not: asv's site forgets the results of
#: every parameter that the newest run doesn't have.
BACKENDS = tuple(SPECS)
DTYPES = ("float32", "float64")
SHAPES = {shape.name: shape for shape in (*BLOCKS, *STEPS)}


class Timed:
    """Settings of everything that is timed: two processes each, and some tenths of a second in each of them."""

    version = "1"  # by hand: asv's own, a hash of the code, would begin a new history with every edit
    timeout = 120
    rounds = 2
    repeat = (2, 6, 0.2)
    warmup_time = 0.05


def backend_for(name):
    """Load a backend, or say why it can't run: asv shows that as n/a. One that is broken fails."""
    try:
        return load_backend(SPECS[name])
    except BackendBroken:
        raise
    except (BackendUnavailable, ImportError, LookupError, ValueError) as error:  # an older commit may not have it
        raise NotImplementedError(f"{name}: {error}") from error


def normal(backend, dtype, *shape, seed=0):
    """Return standard normal numbers, scaled by the size of the last axis so that states stay away from ±1."""
    random = np.random.default_rng([seed, *shape])
    return backend.asarray((random.standard_normal(shape) * shape[-1] ** -0.5).astype(dtype))
