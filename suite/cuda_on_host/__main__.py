"""`python -m cuda_on_host [options] -m module arguments…` or `… script.py arguments…`: a program on the executor."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from cuda_on_host.installation import install
from cuda_on_host.ledger import ledger


def main(arguments: list[str] | None = None) -> None:
    """Install the executor and run a program as `__main__`.

    Parameters
    ----------
    arguments
        The command line without the program's name; by default, the process's own.
    """
    parser = argparse.ArgumentParser("cuda_on_host", description="Run a program that uses CuPy, without a GPU.")
    parser.add_argument(
        "--order", type=int, default=0, help="of threads and blocks: 0 ascending, 1 descending, else a seed"
    )
    parser.add_argument("--lazy", action="store_true", help="work waits until something synchronises with it")
    parser.add_argument(
        "--no-pool", action="store_true", help="without CuPy's memory pool, so that checks see every array"
    )
    parser.add_argument("--nvrtc", default="", help="architectures that NVRTC compiles every source for: sm_80,sm_90")
    parser.add_argument("--ledger", action="store_true", help="print at the end what was asked of the device")
    parser.add_argument("-m", dest="module", action="store_true", help="what follows names a module, not a script")
    parser.add_argument("program", help="the script or module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")
    given = parser.parse_args(arguments)
    architectures = tuple(a for a in given.nvrtc.split(",") if a)
    install(order=given.order, lazy=given.lazy, pool=not given.no_pool, nvrtc=architectures)
    sys.argv = [given.program, *given.arguments]
    try:
        if given.module:
            sys.path.insert(0, "")
            runpy.run_module(given.program, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(given.program).resolve().parent))
            runpy.run_path(given.program, run_name="__main__")
    finally:
        if given.ledger:
            print(ledger, file=sys.stderr)


if __name__ == "__main__":
    main()
