"""Small runs of every kernel: the oracle knows what comes out, and it may not depend on who runs first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cupy as cp
import numpy as np
from planned import planned, spread_out

import cuda_on_host
from timernn.cupy_backend import CupyBackend
from timernn.cupy_kernels.planning import Plan, Variant
from timernn.cupy_kernels.updates import GRADIENTS_AT_ONCE
from timernn_suite.conformance.support import answers, oracle
from timernn_suite.conformance.support.cases import Case, Sizes
from timernn_suite.conformance.support.harness import Subject
from timernn_suite.conformance.support.tolerance import LIMIT, Expected

#: Of threads and blocks: ascending, descending, and a permutation.
ORDERS = (0, 1, 5)
#: Several warps, three rounds of rows, rows and columns that no group divides, and several times.
BLOCK = Sizes(N=9, T=5, D=3, H=21, V=2)
ALONE = spread_out(Variant(lanes=16, weights=4, columns=4, rows=2, threads=256, alone=True), BLOCK.N, BLOCK.H)
SHARED_OUT = spread_out(Variant(lanes=32, weights=8, columns=4, rows=2, threads=512, alone=False), BLOCK.N, BLOCK.H)
#: Tokens for more than one stretch of a block of threads, few words, so that each occurs many times.
TOKENS = Sizes(N=4, T=75, D=3, H=2, V=5)
#: A vocabulary for more than one stretch of a block of threads.
VOCABULARY = Sizes(N=3, T=5, D=2, H=2, V=300)

Results = dict[str, np.ndarray]


def block_with_state(case: Case) -> Expected:
    """Return the oracle's answer to a block, with the state ``h`` after it."""
    wide = [getattr(case, name).astype(np.float64) for name in ("xs", "h0", "Wx", "Wh", "b", "dhs")]

    def ask(ar: oracle.Arithmetic) -> Results:
        found = oracle.time_rnn(*wide, ar)
        return found | {"h": found["hs"][:, -1]}

    return Expected(ask, case.dtype)


def run_block(plan: Plan, dtype: str, sizes: Sizes = BLOCK) -> tuple[Expected, Results]:
    """Run a block forward and backward by a plan."""
    subject = planned(plan, dtype)
    case = subject.case(sizes)
    layer = subject.time_rnn(case, h0=case.h0)
    got = subject.block(layer, case.xs, case.dhs)
    return block_with_state(case), got | {"h": subject.numpy(layer.h)}


def run_loss(dtype: str) -> tuple[Expected, Results]:
    """Run softmax with loss on scores whose exponentials overflow in either type."""
    subject = _subject(dtype)
    case = subject.case(VOCABULARY)
    case = replace(case, zs=(case.zs + 1000).astype(dtype))
    return answers.loss(case, dloss=0.5), subject.run_loss(case, dloss=0.5)


def run_clipping(dtype: str, *, longer: bool = True) -> tuple[Expected, Results]:
    """Clip more gradients than one launch takes, one of them longer than a grid, to less than their norm or to more."""
    random = np.random.default_rng(3)
    shapes = [(3, 5), (20_000,), (700,), *[(2, 3)] * GRADIENTS_AT_ONCE]
    grads = [random.standard_normal(shape).astype(dtype) for shape in shapes]
    max_norm = 10.0 if longer else 1000.0
    return answers.clipping(grads, max_norm), _subject(dtype).run_clipping(grads, max_norm)


def run_adam(dtype: str) -> tuple[Expected, Results]:
    """Take two steps of Adam."""
    backend, random = CupyBackend(), np.random.default_rng(4)
    first, *grads = (random.standard_normal((20, 30)).astype(dtype) for _ in range(3))
    settings = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}
    expected = Expected(lambda ar: oracle.adam(first, grads, **settings, ar=ar), dtype)
    param, m, v = backend.asarray(first), cp.zeros_like(first), cp.zeros_like(first)
    for step, grad in enumerate(grads, start=1):
        param, m, v = backend.adam_update(param, backend.asarray(grad), m, v, **settings, step=step)
    return expected, {"param": backend.to_numpy(param), "m": backend.to_numpy(m), "v": backend.to_numpy(v)}


def run_sgd(dtype: str) -> tuple[Expected, Results]:
    """Take a step down the gradient."""
    backend, random = CupyBackend(), np.random.default_rng(5)
    param, grad = (random.standard_normal((20, 30)).astype(dtype) for _ in range(2))
    expected = Expected(lambda ar: oracle.sgd_update(param, grad, 0.5, ar), dtype)
    got = backend.sgd_update(backend.asarray(param), backend.asarray(grad), learning_rate=0.5)
    return expected, {"param": backend.to_numpy(got)}


def _subject(dtype: str) -> Subject:
    return Subject(CupyBackend(), dtype, "cupy")


def _layer(expected: Callable[[Case], Expected], run: str, sizes: Sizes) -> Callable[[str], tuple[Expected, Results]]:
    def probe(dtype: str) -> tuple[Expected, Results]:
        subject = _subject(dtype)
        case = subject.case(sizes)
        return expected(case), getattr(subject, run)(case)

    return probe


PROBES: dict[str, Callable[[str], tuple[Expected, Results]]] = {
    "alone": lambda dtype: run_block(ALONE, dtype),
    "shared out": lambda dtype: run_block(SHARED_OUT, dtype),
    "stepwise": lambda dtype: run_block(Plan("stepwise"), dtype),
    "step": _layer(answers.step, "run_step", BLOCK),
    "embedding": _layer(answers.embedding, "run_embedding", TOKENS),
    "affine": _layer(answers.affine, "run_affine", Sizes(N=2, T=3, D=2, H=5, V=7)),
    "loss": run_loss,
    "clipping": run_clipping,
    "nothing to clip": lambda dtype: run_clipping(dtype, longer=False),
    "adam": run_adam,
    "sgd": run_sgd,
}


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a run.

    Attributes
    ----------
    by : str
        ``"values"``: too far from the oracle. ``"orders"``: other bits when others run first. Else the name of what
        the executor raised.
    detail : str
        In words.
    """

    by: str
    detail: str


def complaint(probe: Callable[[str], tuple[Expected, Results]], dtype: str = "float32") -> Complaint | None:
    """Return the first thing that is wrong with a run under several orders of threads and blocks, or None."""
    before = cuda_on_host.settings.order
    try:
        return _complaint(probe, dtype)
    except cuda_on_host.CudaOnHostError as error:
        _hear_all()  # while the error's frames keep the arrays: freed, they would complain where nobody listens
        return Complaint(type(error).__name__, str(error))
    finally:
        cuda_on_host.set_order(before)


def _hear_all() -> None:
    """Let the executor tell of all damage there is: each is told once."""
    while True:
        try:
            cuda_on_host.check()
        except cuda_on_host.OutOfBounds:
            continue
        return


def _complaint(probe: Callable[[str], tuple[Expected, Results]], dtype: str) -> Complaint | None:
    first: Results = {}
    for order in ORDERS:
        cuda_on_host.set_order(order)
        # Without the pool: between its blocks nothing is fenced off.
        with cp.cuda.using_allocator(None):
            expected, got = probe(dtype)
        cuda_on_host.check()
        scores = {name: expected.score(name, value) for name, value in got.items()}
        if not all(score <= LIMIT for score in scores.values()):
            worst = max(scores, key=lambda name: scores[name])
            return Complaint("values", f"order {order}: {worst} is off by s = {scores[worst]:.3g}")
        first = first or got
        other = [name for name, value in got.items() if value.tobytes() != first[name].tobytes()]
        if other:
            return Complaint("orders", f"order {order}: other bits of {', '.join(other)}")
    return None
