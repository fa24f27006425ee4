"""Capture a whole training step in CUDA's global mode, which refuses whatever waits or allocates; print JSON.

Then the step is replayed as one graph: what is left of its time when the host has nothing to do.
"""

import json

import cupy
import numpy as np
from ceilings import seconds_a_call
from rehearsal import REHEARSAL

from timernn.cupy_backend import CupyGraphBackend, CupyPersistentBackend, CupyStepwiseBackend
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD
from timernn_suite.lm.rnnlm import Rnnlm

N, T, H, V = (2, 3, 8, 20) if REHEARSAL else (20, 35, 100, 10_000)


def captured(backend):
    """Return the milliseconds of a step as calls and as a replay, and how far the parameters part after some."""
    model, optimiser = Rnnlm(backend, initial_weights(V, H, H, seed=0)), SGD(0.1)
    ids, labels = (backend.asarray(part) for part in np.random.default_rng(0).integers(0, V, (2, N, T)))

    def step():
        xs = model.embedding.forward(ids)
        model.loss.forward(model.output.forward(model.recurrent.forward(xs)), labels)
        model.backward()
        optimiser.update(model, 1.0)

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for _ in range(4):  # the memory pool keeps blocks by stream, and a graph of the loop is made the second time
            step()
        stream.synchronize()
        calls = seconds_a_call(step, 2 if REHEARSAL else 20)
        stream.begin_capture(cupy.cuda.runtime.streamCaptureModeGlobal)
        step()
        graph = stream.end_capture()
        before = model.to_weights()
        replays = seconds_a_call(graph.launch, 2 if REHEARSAL else 20)
        after = model.to_weights()
    moved = max(float(np.abs(after[name] - before[name]).max()) for name in before)
    if not (np.isfinite(moved) and moved > 0):
        raise ValueError(f"replaying the captured step changed the weights by {moved}: it must train")
    return {"milliseconds_as_calls": calls * 1e3, "milliseconds_as_one_graph": replays * 1e3}


def main():
    sizes = {"N": N, "T": T, "H": H, "V": V}
    backends = (CupyPersistentBackend, CupyGraphBackend, CupyStepwiseBackend)
    found = {}
    for backend in backends:
        try:
            found[backend.name] = captured(backend())
        except Exception as error:  # belongs in the record, beside what went well
            found[backend.name] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"mode": "global", "sizes": sizes, "steps": found}, indent=1))
    failed = [name for name, record in found.items() if "error" in record]
    if failed:
        raise SystemExit(f"not captured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
