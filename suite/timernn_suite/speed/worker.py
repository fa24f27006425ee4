"""A process that times one implementation: requests come as JSON lines, answers go back as JSON lines.

Run by `timernn_suite.speed.compare`; the implementation is the only argument: a backend's name,
``module:Class``, ``textbook`` for the plain loop, ``limit`` for one large matrix product whatever is asked
for, or ``peer:NAME`` for a library that is timed without being a backend; see
`timernn_suite.speed.peers`. A peer's module has functions ``block(N, T, D, H, dtype)`` and
``step(N, T, H, V, dtype)`` that return what is to be timed as a callable, and ``describe()``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from timernn_suite.speed import limit
from timernn_suite.speed.memory import give_free_memory_back, peak_kib, reset_peak, resident_kib
from timernn_suite.speed.peers import module_of

Timed = Callable[[], object]
TEXTBOOK = "timernn_suite.speed.textbook:TextbookBackend"


def spec_of(name: str) -> str:
    """Return what loads an implementation: its name, but for the textbook loop, which isn't registered."""
    return TEXTBOOK if name == "textbook" else name


def backend_block(spec: str, N: int, T: int, D: int, H: int, dtype: str) -> Timed:
    """Return one forward and backward of a stateful `TimeRNN`."""
    from timernn.registry import load_backend  # noqa: PLC0415 - a peer's process has no need of it

    backend = load_backend(spec)
    random = np.random.default_rng(0)

    def normal(*shape: int, scale: float = 1.0) -> Any:
        return backend.asarray((scale * random.standard_normal(shape)).astype(dtype))

    layer = backend.time_rnn(normal(D, H, scale=D**-0.5), normal(H, H, scale=H**-0.5), normal(H), stateful=True)
    xs, dhs = normal(N, T, D), normal(N, T, H)

    def once() -> object:
        hs = layer.forward(xs)
        dxs = layer.backward(dhs)
        backend.synchronize()
        return hs, dxs

    return once


def backend_step(spec: str, N: int, T: int, H: int, V: int, dtype: str) -> Timed:
    """Return one training step of the language model with SGD."""
    from timernn.registry import load_backend  # noqa: PLC0415 - see above
    from timernn_suite.lm.initial import initial_weights  # noqa: PLC0415
    from timernn_suite.lm.optim import SGD  # noqa: PLC0415
    from timernn_suite.lm.rnnlm import Rnnlm  # noqa: PLC0415

    backend = load_backend(spec)
    model = Rnnlm(backend, initial_weights(V, H, H, seed=0, dtype=dtype))
    optimiser = SGD(0.1)
    ids = np.random.default_rng(0).integers(0, V, (2, N, T))

    def once() -> None:
        model.forward(ids[0], ids[1])
        model.backward()
        optimiser.update(model)
        backend.synchronize()

    return once


def build(spec: str, request: dict[str, Any]) -> Timed:
    """Build what a request asks to be timed."""
    sizes = {key: request[key] for key in ("N", "T", "D", "H", "V", "dtype") if key in request}
    if spec == limit.LIMIT:
        return limit.product(request["dtype"])
    if spec.startswith("peer:"):
        made: Timed = getattr(importlib.import_module(module_of(spec)), request["task"])(**sizes)
        return made
    return {"block": partial(backend_block, spec), "step": partial(backend_step, spec)}[request["task"]](**sizes)


def describe(spec: str) -> dict[str, Any]:
    """Return the implementation's own description, for the record."""
    if spec == limit.LIMIT:
        return limit.describe()
    if spec.startswith("peer:"):
        described: dict[str, Any] = importlib.import_module(module_of(spec)).describe()
        return described
    from timernn.registry import load_backend  # noqa: PLC0415 - see above

    return load_backend(spec).describe()


def time_round(timed: Timed, seconds: float) -> dict[str, Any]:
    """Call ``timed`` for about ``seconds`` and return the median in milliseconds, and how often.

    It is called 3 times at least, or for 4 times ``seconds`` where even that is long.
    """
    timed()  # wakes caches and threads that slept while others were timed
    durations: list[float] = []
    begun = time.perf_counter()
    while not durations or time.perf_counter() - begun < seconds * (4 if len(durations) < 3 else 1):
        start = time.perf_counter()
        timed()
        durations.append(time.perf_counter() - start)
    return {"milliseconds": float(np.median(durations)) * 1e3, "calls": len(durations)}


def memory_of(spec: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return what building and one forward and backward add to this process at most, in KiB.

    A tiny shape goes before, so that what a library loads and sets up at its first use isn't counted.
    """
    build(spec, request | {"task": "block", "N": 2, "T": 3, "D": 4, "H": 5})()
    gc.collect()
    before = resident_kib()
    timed = build(spec, request | {"task": "block"})
    give_free_memory_back()  # of what was only needed to make the inputs
    if before is None or not reset_peak():
        return {"error": "memory is measured on Linux alone"}
    kept = timed()
    peak = peak_kib()
    del kept  # outputs were held until here
    return {"kib": None if peak is None else peak - before}


def answer(spec: str, request: dict[str, Any], built: dict[str, Timed]) -> dict[str, Any]:
    """Carry out one request."""
    if request["task"] == "describe":
        return describe(spec)
    if request["task"] == "memory":
        return memory_of(spec, request)
    key = json.dumps({name: value for name, value in request.items() if name != "seconds"}, sort_keys=True)
    if key not in built:
        built.clear()  # one at a time: a large shape of before must not weigh on the next
        reset_peak()
        built[key] = build(spec, request)
        first = time.perf_counter()
        built[key]()
        return {"first_call_milliseconds": (time.perf_counter() - first) * 1e3}
    return time_round(built[key], request["seconds"]) | {"peak_kib": peak_kib()}


def main() -> None:
    """Answer requests until there are no more."""
    spec = spec_of(sys.argv[1])
    # Answers have a channel of their own: what a library prints to standard output must not come between them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    built: dict[str, Timed] = {}
    for line in sys.stdin:
        try:
            reply = answer(spec, json.loads(line), built)
        except Exception as error:  # whatever it is belongs in the record, not in a broken pipe
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
