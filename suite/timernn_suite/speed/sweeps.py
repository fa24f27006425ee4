"""How cost grows: time a token against each size, and the memory of one forward and backward against T."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from timernn_suite.speed.bench import spread
from timernn_suite.speed.compare import Comparison, Worker, compare
from timernn_suite.speed.shapes import Block

BASE = Block("base", 20, 35, 100, 100)
#: What each size takes in turn, while the others stay as they are in `BASE`.
SWEEPS: Mapping[str, Sequence[int]] = {
    "T": (35, 105, 350, 1050, 3500),
    "N": (1, 5, 20, 80, 320),
    "D": (25, 100, 400, 1600),
    "H": (25, 50, 100, 200, 400, 800),
}
#: Of how a growing cost is seen in short turns: rounds, and the seconds of a turn.
ROUNDS, SECONDS = 3, 0.1
#: Arrays as large as ``hs`` that the yardstick allows beside inputs and outputs: the states, a buffer, and a bit.
KEPT = 2.2


def yardstick_bytes(block: Block, itemsize: int) -> int:
    """Return the memory that one forward and backward has a use for.

    Inputs and outputs (xs, hs, dhs, dxs, the weights and their gradients), one copy of xs, and `KEPT` times hs.
    """
    xs, hs = block.tokens * block.D, block.tokens * block.H
    weights = block.D * block.H + block.H * block.H + block.H
    return round(itemsize * (2 * xs + 2 * hs + 2 * weights + xs + KEPT * hs))


def of_size(base: Block, size: str, value: int) -> Block:
    """Return the block with one of its sizes changed, named after all of them."""
    sizes = {"N": base.N, "T": base.T, "D": base.D, "H": base.H, size: value}
    return Block(" ".join(f"{key}{number}" for key, number in sizes.items()), **sizes)


def measure(
    implementations: Sequence[str],
    *,
    threads: int,
    dtype: str,
    base: Block = BASE,
    sweeps: Mapping[str, Sequence[int]] = SWEEPS,
    seconds: float = SECONDS,
    progress: Callable[[str, str], None] = lambda what, implementation: None,
) -> dict[str, Any]:
    """Time every implementation along every sweep, and take its memory along that of T.

    Parameters
    ----------
    implementations : sequence of str
        As for `compare`.
    threads, dtype, seconds
        As for `compare`.
    base, sweeps
        The sizes.
    progress : callable
        Told what is being measured.

    Returns
    -------
    record : dict
        JSON-ready: ``time`` by size, ``memory``; each with a list for each implementation, None where it failed.
    """
    blocks = {of_size(base, size, value): None for size, values in sweeps.items() for value in values}
    comparisons, _ = compare(
        implementations,
        list(blocks),
        rounds=ROUNDS,
        seconds=seconds,
        threads=threads,
        dtype=dtype,
        progress=lambda shape, name, turn: progress(f"curve at {shape}", name),
    )
    by_name = {comparison.shape.name: comparison for comparison in comparisons}
    record: dict[str, Any] = {
        "base": {"N": base.N, "T": base.T, "D": base.D, "H": base.H},
        "settings": {"rounds": ROUNDS, "seconds": seconds, "threads": threads, "dtype": dtype},
        "time": {},
    }
    for size, values in sweeps.items():
        of_sweep = [by_name[of_size(base, size, value).name] for value in values]
        record["time"][size] = {
            "values": list(values),
            "microseconds_per_token": {name: [_per_token(c, name) for c in of_sweep] for name in implementations},
        }
    lengths = sweeps["T"]
    of_length = [of_size(base, "T", length) for length in lengths]
    record["memory"] = {
        "values": list(lengths),
        "yardstick_kib": [round(yardstick_bytes(b, np.dtype(dtype).itemsize) / 1024, 1) for b in of_length],
        "peak_kib": {name: [] for name in implementations},
        "errors": {},
    }
    for name in implementations:
        for block in of_length:
            progress(f"memory at {block.name}", name)
            reply = memory_of(name, block, threads, dtype)
            record["memory"]["peak_kib"][name].append(reply.get("kib"))
            if "error" in reply:
                record["memory"]["errors"][f"{name} at {block.name}"] = reply["error"]
    return record


def _per_token(comparison: Comparison, name: str) -> list[float] | None:
    """Return median, least and most over the rounds."""
    found = spread(1e3 * value / comparison.shape.tokens for value in comparison.of(name).rounds)
    return found and [round(value, 5) for value in found]


def memory_of(implementation: str, block: Block, threads: int, dtype: str) -> dict[str, Any]:
    """Return, as ``kib``, what one forward and backward adds at most to a fresh process, with inputs and outputs."""
    worker = Worker(implementation, threads)
    try:
        return worker.ask(block.as_request() | {"task": "memory", "dtype": dtype})
    finally:
        worker.stop()
