"""The data that value tests are run on: sizes where faults hide, and draws that rounding can't blow up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from timernn_suite.conformance.support import oracle
from timernn_suite.conformance.support.oracle import Array

#: A draw is only fit for comparing values if no product of the Jacobians ∂h_T/∂h_t is larger than this:
#: beyond it the recurrence is chaotic and the rounding of a right answer is of order 1.
LARGEST_JACOBIAN_PRODUCT = 10.0


@dataclass(frozen=True)
class Sizes:
    """Batch, time, input, hidden and vocabulary."""

    N: int
    T: int
    D: int
    H: int
    V: int

    def __str__(self) -> str:
        """Return the sizes as they stand in a test's id, such as ``3x7x4x5x11``."""
        return f"{self.N}x{self.T}x{self.D}x{self.H}x{self.V}"


#: 1 in every place, primes, D < H, D > H, T beyond any usual truncation, a batch of many rows.
SIZES = (
    Sizes(1, 1, 1, 1, 2),
    Sizes(1, 7, 3, 2, 5),
    Sizes(4, 1, 2, 3, 7),
    Sizes(3, 5, 1, 4, 3),
    Sizes(2, 3, 5, 1, 11),
    Sizes(3, 37, 5, 7, 13),
    Sizes(5, 41, 11, 3, 17),
    Sizes(7, 35, 13, 19, 101),
    Sizes(20, 35, 32, 48, 64),
    Sizes(67, 3, 5, 8, 7),
)
#: One shape for tests of laws, with no two sizes alike.
PLAIN = Sizes(3, 7, 4, 5, 11)


@dataclass(frozen=True, eq=False)
class Case:
    """Inputs, parameters and output gradients of every layer, as NumPy arrays of one element type.

    ``dataclasses.replace`` makes one that differs in a field; two cases are never equal, however alike.
    """

    sizes: Sizes
    dtype: str
    xs: Array
    h0: Array
    Wx: Array
    Wh: Array
    b: Array
    dhs: Array
    ids: Array
    embedding: Array
    dembedded: Array
    W: Array
    output_b: Array
    dzs: Array
    zs: Array
    ts: Array


@lru_cache(maxsize=512)
def draw(sizes: Sizes, dtype: str, gain: float = 1.0, seed: int = 0) -> Case:
    """Return a case of non-zero values; the recurrent weights have about the spectral radius ``gain``."""
    N, T, D, H, V = sizes.N, sizes.T, sizes.D, sizes.H, sizes.V
    for attempt in range(1000):
        random = np.random.default_rng([seed, attempt, N, T, D, H, V])

        def normal(*shape: int, scale: float = 1.0, random: np.random.Generator = random) -> Array:
            return (scale * random.standard_normal(shape)).astype(dtype)

        case = Case(
            sizes=sizes,
            dtype=dtype,
            xs=normal(N, T, D),
            h0=normal(N, H, scale=0.5),
            Wx=normal(D, H, scale=D**-0.5),
            Wh=normal(H, H, scale=gain * H**-0.5),
            b=normal(H, scale=0.3),
            dhs=normal(N, T, H),
            ids=random.integers(0, V, (N, T)),
            embedding=normal(V, D),
            dembedded=normal(N, T, D),
            W=normal(H, V, scale=H**-0.5),
            output_b=normal(V, scale=0.3),
            dzs=normal(N, T, V),
            zs=normal(N, T, V, scale=3.0),
            ts=_labels(random, N, T, V),
        )
        if _largest_jacobian_product(case) <= LARGEST_JACOBIAN_PRODUCT:
            return case
    raise RuntimeError(f"no well-conditioned draw for {sizes} at gain {gain}")


def _labels(random: np.random.Generator, N: int, T: int, V: int) -> Array:
    """Labels in range, the first and the last class among them; about a fifth is ignored, but not all."""
    labels = np.asarray(random.integers(0, V, (N, T)))
    labels[random.random((N, T)) < 0.2] = -1
    labels[0, 0] = V - 1
    if N * T > 1:
        labels[-1, -1] = 0
    return labels


def _largest_jacobian_product(case: Case) -> float:
    """Return the largest 2-norm over rows and starting times t of ∂h_T/∂h_t."""
    Wh = case.Wh.astype(np.float64)
    xs, h0, Wx, b = (array.astype(np.float64) for array in (case.xs, case.h0, case.Wx, case.b))
    states = oracle.time_rnn_forward(xs, h0, Wx, Wh, b).astype(np.float64)
    largest = 0.0
    product = np.broadcast_to(np.eye(case.sizes.H), (case.sizes.N, case.sizes.H, case.sizes.H))
    for h in states[:0:-1]:
        product = (Wh * (1 - h * h)[:, None, :]) @ product
        largest = max(largest, float(np.linalg.norm(product, ord=2, axis=(1, 2)).max()))
    return largest
