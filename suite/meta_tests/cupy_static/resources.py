"""What every kernel of the CuPy backend takes on every architecture, from NVRTC's own report: no GPU is needed.

``python resources.py BUDGET.json`` writes it as the new budget.
"""

import io
import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

#: Those that CUDA 13 compiles for, from Turing on: compute capabilities without the point.
ARCHITECTURES = ("75", "80", "86", "87", "88", "89", "90", "100", "103", "110", "120", "121")
#: As CuPy compiles a module; see cupy.cuda.compiler.
CUPYS_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")
FIELDS = ("stack", "spill_stores", "spill_loads", "registers", "shared")
_REPORT = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<spill_stores>\d+) bytes spill stores, (?P<spill_loads>\d+) bytes spill "
    r"loads.*?Used (?P<registers>\d+) registers(?:, used \d+ barriers)?(?:, (?P<shared>\d+) bytes smem)?",
    re.DOTALL,
)


def compilations():
    """Yield ``(title, source, options, threads of a block at most)`` of all that the backend compiles."""
    from timernn.cupy_kernels.modules import THREADS, options, source  # noqa: PLC0415 - imports CuPy
    from timernn.cupy_kernels.planning import VARIANTS  # noqa: PLC0415

    for dtype, variants in VARIANTS.items():
        for file in ("steps", "timewise", "updates"):
            yield f"{file} {dtype}", source(file), options(dtype), THREADS
        for v in variants:
            kind = "alone" if v.alone else "shared out"
            title = f"recurrent {dtype} {v.lanes}x{v.weights} weights {v.columns}x{v.rows} sums {kind}"
            yield title, source("recurrent"), options(dtype, v), v.threads


def of_architecture(architecture):
    """Return ``{title: {kernel: {field: number}}}``."""
    from cupy.cuda import compiler  # noqa: PLC0415 - in a process of its own, and not to show the options

    found = {}
    for title, source, options, _ in compilations():
        log = io.StringIO()
        # CuPy's compile_using_nvrtc would ask the driver for the architecture; the class below asks nobody.
        program = compiler._NVRTCProgram(source, "kernel.cu", method="cubin")
        program.compile((*options, *CUPYS_OPTIONS, f"-arch=sm_{architecture}", "--ptxas-options=-v"), log)
        found[title] = {
            report["name"]: {field: int(report[field] or 0) for field in FIELDS}
            for report in _REPORT.finditer(log.getvalue())
        }
    return found


def of_all():
    """Return ``{architecture: {title: {kernel: {field: number}}}}``; a minute and a half for one processor."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(ARCHITECTURES, pool.map(of_architecture, ARCHITECTURES), strict=True))


def as_budget(found):
    """Return ``{title and kernel: {architecture: [registers, shared bytes]}}``."""
    lines = {}
    for architecture, titles in found.items():
        for title, kernels in titles.items():
            for kernel, numbers in kernels.items():
                at = lines.setdefault(f"{title}, {kernel}", {})
                at[architecture] = [numbers["registers"], numbers["shared"]]
    return lines


def write(path, found):
    """Write the budget, a kernel a line."""
    lines = (f" {json.dumps(title)}: {json.dumps(numbers)}" for title, numbers in as_budget(found).items())
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1], of_all())
