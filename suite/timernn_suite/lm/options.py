"""What a language model is made of beyond its sizes: layers, tied weights, dropout."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How a model is put together; by default the plain one.

    Attributes
    ----------
    layers : int
        Recurrent layers, one on the other.
    skip : bool
        Whether the output layer sees the sum of all recurrent layers' states instead of the last one's alone.
    tied : bool
        Whether the output layer's weights are the embedding's, transposed: the same array, so that D must be H
        (Press and Wolf, "Using the Output Embedding to Improve Language Models", EACL 2017).
    embedding_dropout, layer_dropout, output_dropout : float
        Share of units that are dropped behind the embedding, between recurrent layers, and before the output layer.
        One mask serves all steps of a block (Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in
        Recurrent Neural Networks", NeurIPS 2016).
    recurrent_dropout : float
        Share of the recurrent weights that are dropped, for all steps of a block (Merity et al., "Regularizing and
        Optimizing LSTM Language Models", ICLR 2018).
    """

    layers: int = 1
    skip: bool = False
    tied: bool = False
    embedding_dropout: float = 0.0
    layer_dropout: float = 0.0
    output_dropout: float = 0.0
    recurrent_dropout: float = 0.0

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the weights, in the order of the model's parameters: ``Wx2`` is the second layer's ``Wx``."""
        recurrent = (f"{name}{number}" for number in ("", *range(2, self.layers + 1)) for name in ("Wx", "Wh", "b"))
        output = ("output_b",) if self.tied else ("output_W", "output_b")
        return ("embedding", *recurrent, *output)


PLAIN = Options()
