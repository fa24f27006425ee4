"""The recurrent language model: embedding, stateful TimeRNNs, output layer and loss, over any backend's factories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array, Backend, Layer, ShapeError
from timernn_suite.lm.dropout import Masks
from timernn_suite.lm.options import PLAIN, Options

#: Weights by name, as NumPy arrays: ``embedding (V, D)``, ``Wx (D, H)``, ``Wh (H, H)``, ``b (H,)``, of further layers
#: ``Wx2 (H, H)``, ``Wh2``, ``b2`` and so on, ``output_W (H, V)`` unless tied, ``output_b (V,)``.
Weights = Mapping[str, NDArray[Any]]
WEIGHT_NAMES = PLAIN.weight_names


class Rnnlm:
    """A language model with stateful recurrent layers.

    Parameters
    ----------
    backend : Backend
        Whose layers it is made of.
    weights : mapping of NumPy arrays
        One each of ``options.weight_names``, all of one float type; copied.
    options : Options
        Layers, tied weights, dropout.
    seed : int
        Of the dropout masks.

    Raises
    ------
    ShapeError
        If a weight is missing, or there is one too many, or tied weights have D other than H. Wrong shapes and types
        are the layers' to refuse.
    """

    def __init__(self, backend: Backend, weights: Weights, options: Options = PLAIN, *, seed: int = 0) -> None:
        names = options.weight_names
        if set(weights) != set(names):
            raise ShapeError(f"weights: must be {', '.join(names)}, got {', '.join(sorted(weights))}")
        D, H = weights["embedding"].shape[-1], weights["Wh"].shape[-1]
        if options.tied and D != H:
            raise ShapeError(f"weights: tied ones need an embedding of D=H={H}, got D={D}")
        self._join(backend, {name: backend.asarray(weights[name]) for name in names}, options)
        self.masks = Masks(backend, str(weights["b"].dtype), seed)

    def _join(self, backend: Backend, arrays: Mapping[str, Array], options: Options) -> None:
        self.backend, self.options = backend, options
        self.embedding = backend.time_embedding(arrays["embedding"])
        self.recurrent_layers = [
            backend.time_rnn(*(arrays[f"{name}{number}"] for name in ("Wx", "Wh", "b")), stateful=True)
            for number in ("", *range(2, options.layers + 1))
        ]
        output_W = arrays["embedding"].T if options.tied else arrays["output_W"]
        self.output = backend.time_affine(output_W, arrays["output_b"])
        self.loss = backend.time_softmax_with_loss()
        self._drawn: dict[str, list[Array]] = {}
        self._whole_Wh: list[Array] = []

    @property
    def recurrent(self) -> Any:
        """The first recurrent layer."""
        return self.recurrent_layers[0]

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return int(self.embedding.params[0].shape[0])

    @property
    def dtype(self) -> str:
        """The weights' element type."""
        return str(self.backend.to_numpy(self.recurrent.params[2]).dtype)

    def parameters(self) -> list[tuple[Layer, int]]:
        """Return where each parameter lies, as a layer and an index into its ``params``, in the weights' order.

        Tied weights are there once, as the embedding's.
        """
        layers: tuple[Layer, ...] = (self.embedding, *self.recurrent_layers)
        places = [(layer, index) for layer in layers for index in range(len(layer.params))]
        return places + [(self.output, index) for index in range(self.options.tied, 2)]

    def predict(self, ids: NDArray[Any]) -> Array:
        """Return the scores ``zs (N, T, V)`` of the token after each of ``ids (N, T)``, and carry the state on."""
        self._drawn = {}
        return self._scores(ids)

    def forward(self, ids: NDArray[Any], labels: NDArray[Any]) -> Array:
        """Return the mean loss in nats of predicting ``labels (N, T)`` from ``ids (N, T)``, a backend scalar.

        For training: dropout takes part, with masks of its own at each call.
        """
        self._drawn = self._draw(len(ids))
        return self.loss.forward(self._scores(ids), self.backend.asarray(labels))

    def backward(self) -> None:
        """Fill every layer's ``grads`` with the gradients of the last loss, cut at the block's start."""
        options, last = self.options, self.options.layers - 1
        dtop = self._masked("output", 0, self.output.backward(self.loss.backward()))
        dhs = None  # what comes down from the layer above
        for number in reversed(range(options.layers)):
            layer = self.recurrent_layers[number]
            parts = [part for part in (dhs, dtop if options.skip or number == last else None) if part is not None]
            dxs = layer.backward(parts[0] if len(parts) == 1 else parts[0] + parts[1])
            if "recurrent" in self._drawn:
                layer.grads[1] = layer.grads[1] * self._drawn["recurrent"][number]
            dhs = self._masked("layer", number - 1, dxs) if number > 0 else self._masked("embedding", 0, dxs)
        self.embedding.backward(dhs)
        self._restore()
        if options.tied:
            self.embedding.grads[0] = self.embedding.grads[0] + self.output.grads[0].T

    def reset_state(self) -> None:
        """Forget the text so far."""
        for layer in self.recurrent_layers:
            layer.reset_state()

    @property
    def state(self) -> NDArray[Any] | None:
        """The recurrent state as a NumPy copy, (N, H) or (layers, N, H); None at a text's beginning."""
        states = [layer.h for layer in self.recurrent_layers]
        if states[0] is None:
            return None
        copies = [np.array(self.backend.to_numpy(h)) for h in states]
        return copies[0] if len(copies) == 1 else np.stack(copies)

    @state.setter
    def state(self, h: NDArray[Any] | None) -> None:
        if h is None:
            self.reset_state()
            return
        states = [h] if len(self.recurrent_layers) == 1 else list(h)
        for layer, part in zip(self.recurrent_layers, states, strict=True):
            layer.set_state(self.backend.asarray(part))

    def for_evaluation(self) -> Rnnlm:
        """Return a second model on the same parameters with a state of its own, so that training isn't disturbed."""
        twin = Rnnlm.__new__(Rnnlm)
        twin._join(self.backend, self._whole(), self.options)
        twin.masks = self.masks
        return twin

    def to_weights(self) -> dict[str, NDArray[Any]]:
        """Return NumPy copies of all weights."""
        return {name: np.array(self.backend.to_numpy(array)) for name, array in self._whole().items()}

    def _whole(self) -> dict[str, Array]:
        """Return all weights by name, those too of which the last training block had some dropped."""
        arrays = [layer.params[index] for layer, index in self.parameters()]
        named = dict(zip(self.options.weight_names, arrays, strict=True))
        for number, whole in enumerate(self._whole_Wh, start=1):
            named[f"Wh{number}" if number > 1 else "Wh"] = whole
        return named

    def _scores(self, ids: NDArray[Any]) -> Array:
        self._restore()
        if self.options.tied:  # again each time: where arrays are immutable, an update puts a new one in its place
            self.output.params[0] = self.embedding.params[0].T
        for number, mask in enumerate(self._drawn.get("recurrent", ())):
            layer = self.recurrent_layers[number]
            self._whole_Wh.append(layer.params[1])
            layer.params[1] = layer.params[1] * mask
        xs = self._masked("embedding", 0, self.embedding.forward(self.backend.asarray(ids)))
        top = None
        for number, layer in enumerate(self.recurrent_layers):
            hs = layer.forward(xs)
            top = hs if top is None or not self.options.skip else top + hs
            xs = self._masked("layer", number, hs) if number + 1 < self.options.layers else hs
        return self.output.forward(self._masked("output", 0, top))

    def _draw(self, N: int) -> dict[str, list[Array]]:
        """Draw this block's masks, of those places that drop anything; they serve all of its times."""
        options = self.options
        D, H = (int(size) for size in self.recurrent.params[0].shape)
        wanted = {
            "embedding": (options.embedding_dropout, 1, (N, 1, D)),
            "layer": (options.layer_dropout, options.layers - 1, (N, 1, H)),
            "output": (options.output_dropout, 1, (N, 1, H)),
            "recurrent": (options.recurrent_dropout, options.layers, (H, H)),
        }
        return {
            place: [self.masks.draw(rate, *shape) for _ in range(count)]
            for place, (rate, count, shape) in wanted.items()
            if rate > 0
        }

    def _masked(self, place: str, number: int, values: Array) -> Array:
        masks = self._drawn.get(place)
        return values if masks is None else values * masks[number]

    def _restore(self) -> None:
        """Put back the recurrent weights of which a training block had some dropped."""
        for layer, whole in zip(self.recurrent_layers, self._whole_Wh, strict=False):
            layer.params[1] = whole
        self._whole_Wh = []
