"""CBOW (Mikolov et al. 2013) read as a language model: the words of a window to the left predict the next word."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Array, Backend, Layer
from timernn_suite.baselines.tokens import Floats, contexts
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.perplexity import nll_of_scores

#: Tokens that are scored at a time, so that their scores stay small beside the weights.
_BLOCK_TOKENS = 256


class Cbow:
    """P(next word | window) is the softmax of a linear layer on the embeddings of the window's words.

    Parameters
    ----------
    backend : Backend
        Whose layers it is made of.
    V, D : int
        Sizes of vocabulary and embedding.
    window : int
        How many words to the left are seen; before a text's beginning they are ``<eos>``.
    keeps_order : bool
        Whether the embeddings are concatenated, each place having weights of its own. If not they are summed, which
        forgets their order.
    eos_id : int
        The id of ``<eos>``.
    seed : int
        Of the first weights.
    dtype : str
        Element type of the weights.

    Raises
    ------
    ValueError
        If the window is less than 1.
    """

    def __init__(
        self,
        backend: Backend,
        V: int,
        D: int,
        *,
        window: int,
        keeps_order: bool,
        eos_id: int,
        seed: int,
        dtype: str = "float32",
    ) -> None:
        if window < 1:
            raise ValueError(f"window: must be at least 1, got {window}")
        self.backend, self.window, self.keeps_order, self.eos_id = backend, window, keeps_order, eos_id
        weights = initial_weights(V, D, window * D if keeps_order else D, seed=seed, dtype=dtype)
        self.embedding = backend.time_embedding(backend.asarray(weights["embedding"]))
        self.output = backend.time_affine(backend.asarray(weights["output_W"]), backend.asarray(weights["output_b"]))
        self.loss = backend.time_softmax_with_loss()

    def parameters(self) -> list[tuple[Layer, int]]:
        """Return where each parameter lies, as a layer and an index into its ``params``."""
        return [(self.embedding, 0), (self.output, 0), (self.output, 1)]

    def windows(self, ids: NDArray[Any]) -> NDArray[Any]:
        """Return the words that predict each token of a text, int32 array (n, window), the nearest first."""
        return contexts(ids.astype(np.int32), self.eos_id, self.window)

    def predict(self, windows: NDArray[Any]) -> Array:
        """Return the scores ``zs (N, 1, V)`` of the word after each of ``windows (N, window)``."""
        xs = self.backend.to_numpy(self.embedding.forward(self.backend.asarray(np.ascontiguousarray(windows))))
        joined = xs.reshape(len(xs), 1, -1) if self.keeps_order else xs.sum(axis=1, keepdims=True)
        return self.output.forward(self.backend.asarray(joined))

    def forward(self, windows: NDArray[Any], labels: NDArray[Any]) -> Array:
        """Return the mean loss in nats of predicting ``labels (N,)``, a backend scalar."""
        return self.loss.forward(self.predict(windows), self.backend.asarray(labels[:, None]))

    def backward(self) -> None:
        """Fill every layer's ``grads`` with the gradients of the last loss."""
        djoined = self.backend.to_numpy(self.output.backward(self.loss.backward()))
        N, _, size = djoined.shape
        dxs = (
            djoined.reshape(N, self.window, size // self.window)
            if self.keeps_order
            else djoined.repeat(self.window, axis=1)
        )
        self.embedding.backward(self.backend.asarray(dxs))

    def nll(self, ids: NDArray[Any]) -> Floats:
        """Return the negative log-likelihood in nats of each token of a text, (n,)."""
        windows = self.windows(ids)
        pieces = []
        for start in range(0, len(ids), _BLOCK_TOKENS):
            block = slice(start, start + _BLOCK_TOKENS)
            pieces.append(nll_of_scores(self.backend.to_numpy(self.predict(windows[block]))[:, 0], ids[block]))
        return np.concatenate(pieces)

    def to_weights(self) -> list[NDArray[Any]]:
        """Return NumPy copies of all parameters."""
        return [np.array(self.backend.to_numpy(layer.params[index])) for layer, index in self.parameters()]

    def set_weights(self, weights: list[NDArray[Any]]) -> None:
        """Take up parameters that `to_weights` returned."""
        for (layer, index), array in zip(self.parameters(), weights, strict=True):
            layer.params[index] = self.backend.asarray(array)
