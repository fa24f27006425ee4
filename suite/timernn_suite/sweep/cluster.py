"""The workers of a sweep: processes of this machine, or those of a scheduler that runs already."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import signal
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from typing import Any

from timernn_suite.speed.compare import THREAD_VARIABLES
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.worker import check_worker, versions

#: How often workers may die on a cell before it counts as failed: more often than bad luck would have it.
ALLOWED_FAILURES = 4
#: Seconds in which a scheduler has to answer, and in which it has to have a worker.
ANSWER_SECONDS = 5.0
_START_WORKERS = "start some with: dask worker {address} --nthreads 1 --nworkers N"


def require_distributed() -> None:
    """Raise `SweepError` unless dask's distributed is installed."""
    if importlib.util.find_spec("distributed") is None:
        raise SweepError("a sweep needs dask's distributed, which isn't installed: pip install 'timernn[sweep]'")


def _silence() -> None:
    """Keep dask's log, in which whatever happens to a worker is a warning, out of the live table."""
    for handler in logging.getLogger("distributed").handlers:
        handler.setLevel(logging.CRITICAL)


@contextlib.contextmanager
def local_client(workers: int, threads: int) -> Iterator[Any]:
    """Start worker processes on this machine, and end them afterwards; yields dask's client.

    One that dies is replaced, and its cell is run again, up to `ALLOWED_FAILURES` times.

    Parameters
    ----------
    workers : int
        How many processes; each runs one cell at a time.
    threads : int
        Threads of BLAS, OpenMP and Numba in each, so that cells don't take each other's cores.
    """
    from distributed import Client, LocalCluster, config  # noqa: PLC0415 - an extra; see `require_distributed`

    _silence()
    # A worker is sent one cell and no next one to wait there: a death would be counted against that one too.
    config["distributed"]["scheduler"]["worker-saturation"] = 1.0
    with _out_of_reach_of_ctrl_c():
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            memory_limit=0,  # no limit: dask would pause or kill a worker in the middle of a cell
            env=dict.fromkeys(THREAD_VARIABLES, str(threads)),
            scheduler_kwargs={"allowed_failures": ALLOWED_FAILURES},
        )
    with cluster, Client(cluster) as client:
        yield client


@contextlib.contextmanager
def _out_of_reach_of_ctrl_c() -> Iterator[None]:
    """Within this, SIGINT waits; threads and processes begun here never get it, nor do those that these begin.

    A terminal sends it to the workers too, which would die of it before the command can let them save. They inherit
    the mask, those that replace a dead one included. Windows has no such mask.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would take the mask off again if it were begun with the first worker
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def remote_client(address: str, backends: Sequence[str], threads: int) -> Iterator[Any]:
    """Connect to a scheduler, and see that each of its workers can take part; yields dask's client.

    Raises
    ------
    SweepError
        If nothing answers, there is no worker, or one has other versions, several threads, or lacks a backend.
    """
    from distributed import Client  # noqa: PLC0415 - an extra; see `require_distributed`

    _silence()
    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise SweepError(
            f"--scheduler {address}: no scheduler answers there within {ANSWER_SECONDS:g} s ({error}); "
            f"start one with: dask scheduler"
        ) from error
    with client:
        _check_workers(client, address, backends, threads)
        yield client


def _check_workers(client: Any, address: str, backends: Sequence[str], threads: int) -> None:
    try:
        client.wait_for_workers(1, timeout=ANSWER_SECONDS)
    except TimeoutError:
        start = _START_WORKERS.format(address=address)
        raise SweepError(f"--scheduler {address}: it has no workers; {start}") from None
    for worker, number in client.nthreads().items():
        if number != 1:
            raise SweepError(
                f"worker {worker} runs {number} tasks at once, and cells would stand in each other's way: "
                f"start it with --nthreads 1, and more of them with --nworkers"
            )
    answers = client.run(check_worker, versions(), list(backends), threads, on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, Exception):
            raise SweepError(f"worker {worker} can't load timernn ({answer}): install this command's version there")
        if answer is not None:
            raise SweepError(f"worker {worker} can't take part: {answer}")
