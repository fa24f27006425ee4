"""Time blocks and training steps on the GPU by CUDA events: the CuPy backend's strategies beside PyTorch's cuDNN RNN.

``python device_times.py OUT.json``; part of run.sh. Every implementation has a process of its own, and they take
turns, round after round, so that a change of the clock meets them all. A round puts many calls between two events:
where the host can't queue as fast as the device works, the host's time is what shows, as it does to a user.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from implementations import IMPLEMENTATIONS
from rehearsal import REHEARSAL

from timernn_suite.speed.shapes import BLOCKS, STEPS, Block, Step

ROUNDS = 3 if REHEARSAL else 30
#: One round lasts about so many milliseconds.
MILLISECONDS = 0.0 if REHEARSAL else 2.0
WARM_UP_CALLS = 5
#: In a rehearsal without a GPU the workers run as this process does.
EXECUTOR = ("-m", "cuda_on_host") if "cuda_on_host" in sys.modules else ()
#: Seconds after which no further shape is begun: what is measured by then is kept.
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[1] != "--worker" else 600.0


def serve(name):
    """Answer requests, a line of JSON each, until there are no more."""
    call, calls = None, 1
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "kind" in request:
                begun = time.perf_counter()
                call = IMPLEMENTATIONS[name](request["kind"], request["sizes"], request["dtype"])
                for _ in range(WARM_UP_CALLS):
                    call()
                time_calls(name, call, 1)
                seconds = time.perf_counter() - begun
                calls = max(1, round(MILLISECONDS / time_calls(name, call, 5)))
                answer = {"set_up_seconds": round(seconds, 3), "calls": calls}
            else:
                answer = {"milliseconds": time_calls(name, call, calls)}
        except Exception as error:  # whatever it is belongs in the record
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def time_calls(name, call, calls):
    """Return milliseconds a call, by events around ``calls`` of them."""
    if name.startswith("torch"):
        import torch  # noqa: PLC0415 - see implementations.py

        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        elapsed = begin.elapsed_time
    else:
        import cupy  # noqa: PLC0415

        begin, end = cupy.cuda.Event(), cupy.cuda.Event()

        def elapsed(after):
            return cupy.cuda.get_elapsed_time(begin, after)

    begin.record()
    for _ in range(calls):
        call()
    end.record()
    end.synchronize()
    return elapsed(end) / calls


class Worker:
    """One implementation in a process of its own."""

    def __init__(self, name):
        command = [sys.executable, *EXECUTOR, __file__, "--worker", name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **request):
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            return {"error": f"its process ended with exit code {self.process.wait()}"}


def measure(workers, shape, dtype):
    """Time all implementations on one shape; return their records by name."""
    fields = ("N", "T", "D", "H") if isinstance(shape, Block) else ("N", "T", "H", "V")
    request = {"sizes": {field: getattr(shape, field) for field in fields}, "dtype": dtype}
    kind = "block" if isinstance(shape, Block) else "step"
    records = {name: worker.ask(kind=kind, **request) for name, worker in workers.items()}
    able = [name for name, record in records.items() if "error" not in record]
    rounds = {name: [] for name in able}
    for _ in range(ROUNDS):
        for name in able:
            rounds[name].append(workers[name].ask().get("milliseconds", float("nan")))
    for name in able:
        median = statistics.median(rounds[name])
        records[name] |= {
            "milliseconds": median,
            "quartiles": statistics.quantiles(rounds[name]),
            "tflops_per_second": shape.flops / median / 1e9,
        }
    return {"kind": kind, **request, "flops": shape.flops, "implementations": records}


def main():
    begun, results = time.monotonic(), {}
    workers = {name: Worker(name) for name in IMPLEMENTATIONS}
    for dtype in ("float32", "float64"):
        for shape in (Block("toy", 2, 3, 5, 7), Step("toy model", 2, 3, 7, 11)) if REHEARSAL else (*BLOCKS, *STEPS):
            if time.monotonic() - begun > SECONDS:
                print(f"{shape.name} {dtype}: no time left", flush=True)
                continue
            found = results[f"{shape.name} {dtype}"] = measure(workers, shape, dtype)
            times = {name: record.get("milliseconds") for name, record in found["implementations"].items()}
            line = "  ".join(f"{name} {1e3 * value:.0f}" if value else f"{name} -" for name, value in times.items())
            print(f"{shape.name} {dtype}, µs: {line}", flush=True)
            Path(sys.argv[1]).write_text(json.dumps(results, indent=1), encoding="utf-8")
    for worker in workers.values():
        worker.process.stdin.close()


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        serve(sys.argv[2])
    else:
        main()
