"""Whether a backend is right, beside how fast it is; and what its first call costs."""

import os
import subprocess
import sys
import tempfile

from timernn.contract import BackendBroken
from timernn_suite.check import Limits, judge
from timernn_suite.corpus import load_corpus
from timernn_suite.lm.batching import Batches
from timernn_suite.lm.optim import Adam
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.rnnlm import Rnnlm

try:
    from timernn_suite.lm.initial import initial_weights
except ImportError:  # a commit from before it had a module of its own
    from timernn_suite.lm.rnnlm import initial_weights

from .common import BACKENDS, SPECS, backend_for

#: Builds one small block and runs it, in a process that has nothing compiled.
FIRST_CALL = """
import sys, time
import numpy as np
from timernn import load_backend
backend = load_backend(sys.argv[1])
ones = lambda *shape: backend.asarray(np.ones(shape, np.float32))
begun = time.perf_counter()
layer = backend.time_rnn(ones(3, 4), ones(4, 4), ones(4))
layer.backward(layer.forward(ones(2, 5, 3)))
backend.synchronize()
print(time.perf_counter() - begun)
"""


class Conformance:
    """The whole suite without the Penn Treebank, a few generated cases."""

    params = (BACKENDS,)
    param_names = ("backend",)
    version = "1"
    timeout = 600

    def setup_cache(self):
        """Judge each backend once for the three figures that are taken of it."""
        found = {}
        for backend in BACKENDS:
            try:
                backend_for(backend)
            except NotImplementedError:
                continue
            except BackendBroken:
                found[backend] = {"score": float("nan"), "failures": 1, "checks": 1}
                continue
            card = judge(SPECS[backend], limits=Limits(total_seconds=500), cases=20)
            worst, counts = card.largest_score(), card.counts()
            found[backend] = {"score": worst.s if worst else float("nan"), "failures": card.bad()}
            found[backend]["checks"] = counts["passed"] + counts["known failure"] + card.bad()
        return found

    def setup(self, cards, backend):
        """Leave out what can't run."""
        if backend not in cards:
            backend_for(backend)

    def track_conformance_failures(self, cards, backend):
        """Failed checks."""
        return cards[backend]["failures"]

    def track_conformance_checks(self, cards, backend):
        """Checks that ran: fewer than before means that some are gone."""
        return cards[backend]["checks"]

    def track_conformance_score(self, cards, backend):
        """Largest distance from the oracle, in units of what rounding explains; up to 8 passes."""
        return cards[backend]["score"]

    setup_cache.timeout = 1200
    track_conformance_failures.unit = "failures"
    track_conformance_checks.unit = "checks"
    track_conformance_score.unit = "s"


class Perplexity:
    """What the language model has learnt of the embedded corpus after a fixed number of steps."""

    params = (BACKENDS,)
    param_names = ("backend",)
    version = "1"
    timeout = 300
    STEPS = 200

    def setup(self, backend):
        """Leave out what can't run."""
        self.backend = backend_for(backend)

    def track_perplexity(self, backend):
        """Perplexity of the validation text."""
        corpus = load_corpus("markov")
        weights = initial_weights(len(corpus.vocabulary), 64, 100, seed=0, dtype="float32")
        model, optimiser = Rnnlm(self.backend, weights), Adam(0.004)
        batches = Batches(corpus.train, 20, 20)
        for step in range(self.STEPS):
            model.forward(*batches.at(step % batches.iterations_per_epoch * 20))
            model.backward()
            optimiser.update(model, max_norm=1.0)
        return evaluate(model, corpus.valid, corpus.vocabulary.eos_id).perplexity

    track_perplexity.unit = "perplexity"


class FirstCall:
    """From nothing, with an empty cache on disk."""

    params = (BACKENDS,)
    param_names = ("backend",)
    version = "1"
    timeout = 300

    def setup(self, backend):
        """Leave out what can't run."""
        backend_for(backend)

    def track_compile_seconds(self, backend):
        """Seconds of one small block, forward and backward, with all that is compiled for it."""
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", FIRST_CALL, SPECS[backend]]
            environment = os.environ | {"NUMBA_CACHE_DIR": folder, "CUPY_CACHE_DIR": folder}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout)

    track_compile_seconds.unit = "seconds"
