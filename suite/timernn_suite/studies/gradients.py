"""The study of gradients through time: the norm of dL/dh_{t−j} against j, from one loss at the last step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array, Backend
from timernn_suite.provenance import environment
from timernn_suite.studies.truncated_gradient import difference, precise_dtype

Floats = NDArray[np.float64]
#: Of the inputs in the linear regime, over max(1, radius)^T: no state comes near a size at which tanh bends.
SMALL = 1e-6


@dataclass(frozen=True)
class Settings:
    """What the study measures.

    Attributes
    ----------
    gains : tuple of float
        g of the orthogonal recurrent weights g·Q.
    radii : tuple of float
        Spectral radii of the Gaussian recurrent weights.
    T : int
        Steps; j goes from 0 to T.
    N, H : int
        Batch and hidden size; the input has size H too.
    clipped_gain : float
        Whose gradients are clipped.
    max_norm : float
        The global norm that they are clipped to.
    seed : int
        Of weights, inputs and the loss' gradient.
    """

    gains: tuple[float, ...] = (0.8, 0.9, 1.0, 1.1, 1.5)
    radii: tuple[float, ...] = (0.9, 1.0, 1.1)
    T: int = 100
    N: int = 8
    H: int = 64
    clipped_gain: float = 1.5
    max_norm: float = 1.0
    seed: int = 0


def orthogonal(H: int, gain: float, seed: int) -> Floats:
    """Return ``gain`` times a random orthogonal (H, H) matrix: every singular value is the gain."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((H, H)))
    return np.asarray(gain * q * np.sign(np.diag(r)))


def gaussian(H: int, radius: float, seed: int) -> Floats:
    """Return a Gaussian (H, H) matrix scaled to a spectral radius, the largest absolute eigenvalue."""
    draws = np.random.default_rng(seed).standard_normal((H, H))
    return np.asarray(draws * (radius / np.abs(np.linalg.eigvals(draws)).max()))


class Chain:
    """One layer, its inputs, and a loss that depends on the last state alone.

    Parameters
    ----------
    backend : Backend
        What computes.
    Wh : float array (H, H)
        The recurrent weights; the input weights are Gaussian, the bias is zero.
    settings : Settings
    input_scale : float
        Standard deviation of the inputs.
    """

    def __init__(self, backend: Backend, Wh: Floats, settings: Settings, input_scale: float) -> None:
        H, N, T = settings.H, settings.N, settings.T
        self._backend, self._dtype = backend, precise_dtype(backend)
        weights, inputs, loss = (
            np.random.default_rng(child) for child in np.random.SeedSequence(settings.seed).spawn(3)
        )
        self.xs = input_scale * inputs.standard_normal((N, T, H))
        dh = loss.standard_normal((N, H))
        self.dh_last = dh / np.linalg.norm(dh)
        Wx = weights.standard_normal((H, H)) / np.sqrt(H)
        self.layer = backend.time_rnn(*map(self._array, (Wx, Wh, np.zeros(H))))

    def _array(self, values: Floats) -> Array:
        return self._backend.asarray(values.astype(self._dtype))

    def states(self) -> Floats:
        """Return h_0 … h_T, stacked as (T+1, N, H); h_0 is zero."""
        hs = np.asarray(self._backend.to_numpy(self.layer.forward(self._array(self.xs))), dtype=np.float64)
        return np.concatenate([np.zeros_like(hs[:, :1]), hs], axis=1).swapaxes(0, 1)

    def norms(self) -> Floats:
        """Return ‖dL/dh_{T−j}‖ for j = 0 … T, the l2 norm over batch and units; it is 1 at j = 0.

        Block after block of one step from the last to the first, each given the gradient that the one after it
        left in ``dh``: all that the contract has is enough.
        """
        states, dh = self.states(), self.dh_last
        norms = [float(np.linalg.norm(dh))]
        for t in range(len(states) - 2, -1, -1):
            self.layer.set_state(self._array(states[t]))
            self.layer.forward(self._array(self.xs[:, t : t + 1]))
            self.layer.backward(self._array(dh[:, None]))
            dh = np.asarray(self._backend.to_numpy(self.layer.dh), dtype=np.float64)
            norms.append(float(np.linalg.norm(dh)))
        return np.array(norms)

    def gradients(self, length: int) -> list[Array]:
        """Return the gradients of Wx, Wh and b over the first ``length`` steps, the loss at the last of them."""
        self.layer.forward(self._array(self.xs[:, :length]))
        dhs = np.zeros((*self.xs.shape[:1], length, self.xs.shape[2]))
        dhs[:, -1] = self.dh_last
        self.layer.backward(self._array(dhs))
        return list(self.layer.grads)


def rate(norms: Floats) -> float | None:
    """Return the factor a step over the second half, as a geometric mean; None where a norm fell to zero."""
    half = len(norms) // 2
    steps = len(norms) - 1 - half
    return float((norms[-1] / norms[half]) ** (1 / steps)) if steps and norms[-1] > 0 else None


def small_scale(radius: float, T: int) -> float:
    """Return the inputs' scale in the linear regime, so small that the states stay small through T steps."""
    return float(SMALL * max(1.0, radius) ** -T)


def linear_bound(states: Floats) -> float:
    """Return by what share tanh may keep the norms of orthogonal weights below g^j: 1 − Π(1 − max h_t²)."""
    return float(1 - np.prod(1 - np.square(states[1:]).max(axis=(1, 2))))


def clipping(backend: Backend, chain: Chain, settings: Settings) -> list[dict[str, Any]]:
    """Return, for growing lengths, the global norm of the parameters' gradient before and after, and their cosine."""
    found = []
    for length in sorted({1, *range(10, settings.T + 1, 10), settings.T}):
        gradients = chain.gradients(length)
        before = _as_vector(backend, gradients)  # a copy: clipping may change the arrays in place
        clipped, _ = backend.clip_gradients(gradients, settings.max_norm)
        after = _as_vector(backend, clipped)
        norms = {"before": float(np.linalg.norm(before)), "after": float(np.linalg.norm(after))}
        found.append({"T": length, **norms, "cosine": difference(after, before)["cosine"]})
    return found


def run(
    backend: Backend, settings: Settings, *, progress: Callable[[str, int, int], None] = lambda what, done, total: None
) -> dict[str, Any]:
    """Measure everything.

    Parameters
    ----------
    backend : Backend
        What computes.
    settings : Settings
    progress : callable
        Told what is being done, how many parts are done, and how many there are.

    Returns
    -------
    record : dict
        JSON-ready. ``orthogonal`` and ``gaussian`` have an entry for each gain or radius with ``linear`` and
        ``real``, the norms in small and in full states; ``clipping`` has its lengths in both.

    Notes
    -----
    In the linear regime tanh' is 1 and dL/dh_{t−j} is dL/dh_t times (Whᵀ)^j: its norm is g^j for g·Q, and for
    other weights it follows the j-th power of the spectral radius in the long run. R. Pascanu, T. Mikolov and
    Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, arXiv:1211.5063.
    """
    made_in = environment()
    kinds = [("orthogonal", gain) for gain in settings.gains] + [("gaussian", radius) for radius in settings.radii]
    make = {"orthogonal": orthogonal, "gaussian": gaussian}
    found: dict[str, list[dict[str, Any]]] = {"orthogonal": [], "gaussian": []}
    for done, (kind, size) in enumerate(kinds):
        progress(f"{kind}, {size:g}", done, len(kinds))
        Wh = make[kind](settings.H, size, settings.seed)
        linear = Chain(backend, Wh, settings, small_scale(size, settings.T))
        real = Chain(backend, Wh, settings, 1.0)
        of_linear, of_real = linear.norms(), real.norms()
        record: dict[str, Any] = {"size": size, "linear": _summary(of_linear), "real": _summary(of_real)}
        record["mean_derivative"] = float(np.mean(1 - np.square(real.states()[1:])))
        if kind == "orthogonal":
            exact = float(size) ** np.arange(settings.T + 1)
            record["linear"]["largest_deviation_from_power"] = float(np.abs(of_linear / exact - 1).max())
            record["linear"]["deviation_by_tanh"] = linear_bound(linear.states())
        found[kind].append(record)
    Wh = orthogonal(settings.H, settings.clipped_gain, settings.seed)
    clipped = {
        name: clipping(backend, Chain(backend, Wh, settings, scale), settings)
        for name, scale in (("linear", small_scale(settings.clipped_gain, settings.T)), ("real", 1.0))
    }
    return {
        "study": "gradients",
        "backend": backend.name,
        "describe": backend.describe(),
        "environment": made_in,
        "settings": asdict(settings) | {"gains": list(settings.gains), "radii": list(settings.radii)},
        "dtype": precise_dtype(backend),
        **found,
        "clipping": clipped,
    }


def _summary(norms: Floats) -> dict[str, Any]:
    return {"norms": norms.tolist(), "last": float(norms[-1]), "rate": rate(norms)}


def _as_vector(backend: Backend, gradients: list[Array]) -> Floats:
    return np.concatenate([np.asarray(backend.to_numpy(grad), dtype=np.float64).ravel() for grad in gradients])
