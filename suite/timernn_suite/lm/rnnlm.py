"""The recurrent language model: embedding, stateful TimeRNN, output layer and loss, over any backend's factories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array, Backend, Layer, ShapeError

#: Weights by name, as NumPy arrays: ``embedding (V, D)``, ``Wx (D, H)``, ``Wh (H, H)``, ``b (H,)``,
#: ``output_W (H, V)``, ``output_b (V,)``.
Weights = Mapping[str, NDArray[Any]]
WEIGHT_NAMES = ("embedding", "Wx", "Wh", "b", "output_W", "output_b")


class Rnnlm:
    """A language model with one stateful recurrent layer.

    Parameters
    ----------
    backend : Backend
        Whose layers it is made of.
    weights : mapping of NumPy arrays
        One each of `WEIGHT_NAMES`, all of one float type; copied.

    Raises
    ------
    ShapeError
        If a weight is missing, or there is one too many. Wrong shapes and types are the layers' to refuse.
    """

    def __init__(self, backend: Backend, weights: Weights) -> None:
        if set(weights) != set(WEIGHT_NAMES):
            raise ShapeError(f"weights: must be {', '.join(WEIGHT_NAMES)}, got {', '.join(sorted(weights))}")
        self._join(backend, {name: backend.asarray(weights[name]) for name in WEIGHT_NAMES})

    def _join(self, backend: Backend, arrays: Mapping[str, Array]) -> None:
        self.backend = backend
        self.embedding = backend.time_embedding(arrays["embedding"])
        self.recurrent = backend.time_rnn(arrays["Wx"], arrays["Wh"], arrays["b"], stateful=True)
        self.output = backend.time_affine(arrays["output_W"], arrays["output_b"])
        self.loss = backend.time_softmax_with_loss()

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return int(self.embedding.params[0].shape[0])

    @property
    def dtype(self) -> str:
        """The weights' element type."""
        return str(self.backend.to_numpy(self.recurrent.params[2]).dtype)

    def parameters(self) -> list[tuple[Layer, int]]:
        """Return where each parameter lies, as a layer and an index into its ``params``, in `WEIGHT_NAMES`' order."""
        layers: tuple[Layer, ...] = (self.embedding, self.recurrent, self.output)
        return [(layer, index) for layer in layers for index in range(len(layer.params))]

    def predict(self, ids: NDArray[Any]) -> Array:
        """Return the scores ``zs (N, T, V)`` of the token after each of ``ids (N, T)``, and carry the state on."""
        xs = self.embedding.forward(self.backend.asarray(ids))
        return self.output.forward(self.recurrent.forward(xs))

    def forward(self, ids: NDArray[Any], labels: NDArray[Any]) -> Array:
        """Return the mean loss in nats of predicting ``labels (N, T)`` from ``ids (N, T)``, a backend scalar."""
        return self.loss.forward(self.predict(ids), self.backend.asarray(labels))

    def backward(self) -> None:
        """Fill every layer's ``grads`` with the gradients of the last loss, cut at the block's start."""
        self.embedding.backward(self.recurrent.backward(self.output.backward(self.loss.backward())))

    def reset_state(self) -> None:
        """Forget the text so far."""
        self.recurrent.reset_state()

    @property
    def state(self) -> NDArray[Any] | None:
        """The recurrent state (N, H) as a NumPy copy, None at a text's beginning."""
        h = self.recurrent.h
        return None if h is None else np.array(self.backend.to_numpy(h))

    @state.setter
    def state(self, h: NDArray[Any] | None) -> None:
        if h is None:
            self.recurrent.reset_state()
        else:
            self.recurrent.set_state(self.backend.asarray(h))

    def for_evaluation(self) -> Rnnlm:
        """Return a second model on the same parameters with a state of its own, so that training isn't disturbed."""
        twin = Rnnlm.__new__(Rnnlm)
        arrays = [layer.params[index] for layer, index in self.parameters()]
        twin._join(self.backend, dict(zip(WEIGHT_NAMES, arrays, strict=True)))
        return twin

    def to_weights(self) -> dict[str, NDArray[Any]]:
        """Return NumPy copies of all weights."""
        arrays = [np.array(self.backend.to_numpy(layer.params[index])) for layer, index in self.parameters()]
        return dict(zip(WEIGHT_NAMES, arrays, strict=True))


def initial_weights(
    V: int, D: int, H: int, *, seed: int, dtype: str = "float32", scheme: str = "textbook"
) -> dict[str, NDArray[Any]]:
    """Draw a model's first weights.

    Parameters
    ----------
    V, D, H : int
        Sizes of vocabulary, embedding and recurrent layer.
    seed : int
        The same seed gives the same weights everywhere.
    dtype : str
        Element type; values are drawn in float64 and rounded.
    scheme : str
        ``"textbook"``: normal, with standard deviation 0.01 for the embedding and 1/√(inputs) elsewhere, biases 0.
        ``"orthogonal"``: the same but for an orthogonal ``Wh`` with gain 0.9, whose gradients neither vanish nor
        explode as fast. ``"chapter5"``: the textbook's from `numpy.random.RandomState`, in the order in which the
        reference run drew them, rounded to float32 before anything else.
    """
    if scheme == "chapter5":
        legacy = np.random.RandomState(seed)  # the reference run's own generator
        return _textbook(legacy.randn, V, D, H, lambda values: values.astype("float32").astype(dtype))
    if scheme not in ("textbook", "orthogonal"):
        raise ValueError(f"scheme: must be 'textbook', 'orthogonal' or 'chapter5', got {scheme!r}")
    # One stream for each weight: a change of one size leaves the other draws as they were.
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]
    turn = iter(streams)
    weights = _textbook(lambda *shape: next(turn).standard_normal(shape), V, D, H, lambda values: values.astype(dtype))
    if scheme == "orthogonal":
        q, r = np.linalg.qr(streams[2].standard_normal((H, H)))
        weights["Wh"] = (0.9 * q * np.sign(np.diag(r))).astype(dtype)
    return weights


def _textbook(
    normal: Callable[..., NDArray[Any]],
    V: int,
    D: int,
    H: int,
    rounded: Callable[[NDArray[Any]], NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    return {
        "embedding": rounded(normal(V, D) / 100),
        "Wx": rounded(normal(D, H) / np.sqrt(D)),
        "Wh": rounded(normal(H, H) / np.sqrt(H)),
        "b": rounded(np.zeros(H)),
        "output_W": rounded(normal(H, V) / np.sqrt(H)),
        "output_b": rounded(np.zeros(V)),
    }
