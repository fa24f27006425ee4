"""Train on the Penn Treebank in CuPy and in NumPy, step by step alike, and print as JSON how far the losses part.

Without the text, which is looked for where TIMERNN_DATA says, an embedded corpus stands in, and the record says so.
"""

import json
import time

import numpy as np
from rehearsal import REHEARSAL

from timernn.cupy_backend import CupyBackend
from timernn.numpy_backend import NumpyBackend
from timernn_suite.corpus import CorpusError, load_corpus
from timernn_suite.lm.recipes import load_recipe
from timernn_suite.lm.trainer import Trainer

STEPS = 6 if REHEARSAL else 300


def losses_of(backend, recipe, corpus):
    """Return the loss of each step, and the seconds that all of them took after the first."""
    trainer = Trainer(backend, recipe, corpus)
    losses = [trainer.step()[0]]
    backend.synchronize()
    begun = time.perf_counter()
    losses += [trainer.step()[0] for _ in range(STEPS - 1)]
    backend.synchronize()
    return np.array([float(backend.to_numpy(loss)) for loss in losses]), time.perf_counter() - begun


def main():
    recipe = load_recipe("ptb-small")
    try:
        corpus = load_corpus("ptb", download=False)
    except CorpusError as error:
        corpus, missing = load_corpus("markov"), str(error).splitlines()[0]
    else:
        missing = None
    if REHEARSAL:
        recipe = recipe.overridden(batch_size=2, time_size=3)
    record = {"recipe": recipe.as_record(), "corpus": corpus.name, "missing": missing, "steps": STEPS, "runs": {}}
    for dtype in ("float32", "float64"):
        typed = recipe.overridden(dtype=dtype)
        ours, seconds = losses_of(CupyBackend(), typed, corpus)
        numpys, numpy_seconds = losses_of(NumpyBackend(), typed, corpus)
        apart = np.abs(ours - numpys)
        record["runs"][dtype] = {
            "largest_difference": float(apart.max()),
            "largest_difference_of_the_first_38": float(apart[:38].max()),
            "first_loss": float(ours[0]),
            "last_loss": float(ours[-1]),
            "seconds": seconds,
            "numpy_seconds": numpy_seconds,
        }
    print(json.dumps(record, indent=1))
    # Rounding is carried on from step to step; a fault of a kernel shows as more.
    limits = {"float32": 1e-2, "float64": 1e-9}
    far = [dtype for dtype, run in record["runs"].items() if not run["largest_difference"] <= limits[dtype]]
    if far:
        raise SystemExit(f"the losses in {', '.join(far)} part further than rounding explains")


if __name__ == "__main__":
    main()
