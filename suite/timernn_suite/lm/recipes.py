"""Recipes: everything that decides a training run, in a TOML file that can be copied and changed."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from timernn_suite.lm.options import Options

#: What a TOML value may be, by the annotation of its field.
_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


class RecipeError(ValueError):
    """A recipe can't be found, or a value in it is not what it must be."""


@dataclass(frozen=True)
class Recipe:
    """A training run's settings.

    Attributes
    ----------
    name : str
        What results are filed under.
    corpus : str
        ``"markov"``, ``"ptb"``, or the path of a text.
    train_tokens : int
        Only the first so many tokens of the training text, and of its vocabulary; 0 for all.
    embedding_size, hidden_size : int
        D and H.
    batch_size, time_size : int
        N streams and T tokens a block; the gradient is cut at each block's start.
    epochs : int
        At most so many.
    layers : int
        Recurrent layers.
    skip, tied : bool
        Whether the output layer sees the sum of all layers' states, and has the embedding's weights; see
        `timernn_suite.lm.options.Options`.
    embedding_dropout, layer_dropout, output_dropout, recurrent_dropout : float
        What is dropped behind the embedding, between layers, before the output layer, and of the recurrent weights.
    optimiser : str
        ``"sgd"`` or ``"adam"``.
    learning_rate : float
        Step size.
    momentum : float
        Of ``"sgd"``; 0 for none.
    weight_decay : float
        Share of the weight matrices that each step takes away, times the learning rate.
    schedule : str
        ``"plateau"``: the rate is constant but for ``decay``. ``"cosine"``: it falls to 0 over all steps.
    average : bool
        Whether the weights' mean is taken once the validation perplexity stops falling, and is what is scored then.
    max_norm : float
        Gradients are clipped to this global norm; 0 for no clipping.
    decay : float
        What the learning rate is multiplied by after an epoch without gain on the validation text; 1 for none.
    keep_decaying : bool
        Whether every epoch after the first such epoch decays too.
    patience : int
        Stop after so many epochs in a row without a new best validation perplexity; 0 for never.
    validate : bool
        Whether the validation text is scored after each epoch.
    initialisation : str
        ``"textbook"``, ``"orthogonal"`` or ``"chapter5"``; see `timernn_suite.lm.initial.initial_weights`.
    recurrent_gain : float
        What an orthogonal ``Wh`` is multiplied by.
    dtype : str
        ``"float32"`` or ``"float64"``.
    seed : int
        Of the first weights and of dropout.
    """

    name: str
    corpus: str = "markov"
    train_tokens: int = 0
    embedding_size: int = 100
    hidden_size: int = 100
    batch_size: int = 20
    time_size: int = 35
    epochs: int = 10
    layers: int = 1
    skip: bool = False
    tied: bool = False
    embedding_dropout: float = 0.0
    layer_dropout: float = 0.0
    output_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    optimiser: str = "adam"
    learning_rate: float = 0.002
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "plateau"
    average: bool = False
    max_norm: float = 0.0
    decay: float = 1.0
    keep_decaying: bool = False
    patience: int = 0
    validate: bool = True
    initialisation: str = "textbook"
    recurrent_gain: float = 0.9
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value's type and range."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, _KINDS[str(field.type)]) or (isinstance(value, bool) and field.type != "bool"):
                raise RecipeError(f"recipe {self.name}: {field.name} must be a {field.type}, got {value!r}")
        for key in ("embedding_size", "hidden_size", "batch_size", "time_size", "epochs", "layers"):
            self._require(key, getattr(self, key) >= 1, "at least 1")
        for key in ("train_tokens", "patience", "seed", "max_norm", "weight_decay"):
            self._require(key, getattr(self, key) >= 0, "0 or more")
        self._require("learning_rate", self.learning_rate > 0, "more than 0")
        self._require("decay", 0 < self.decay <= 1, "more than 0 and at most 1")
        self._require("recurrent_gain", self.recurrent_gain > 0, "more than 0")
        for key in ("embedding_dropout", "layer_dropout", "output_dropout", "recurrent_dropout", "momentum"):
            self._require(key, 0 <= getattr(self, key) < 1, "0 or more and less than 1")
        for key, allowed in (
            ("optimiser", ("sgd", "adam")),
            ("schedule", ("plateau", "cosine")),
            ("dtype", ("float32", "float64")),
            ("initialisation", ("textbook", "orthogonal", "chapter5")),
        ):
            self._require(key, getattr(self, key) in allowed, "one of " + ", ".join(allowed))
        needs_validation = self.decay < 1 or self.patience > 0 or self.average
        self._require("validate", self.validate or not needs_validation, "true for decay, patience and average to work")
        same_sizes = self.embedding_size == self.hidden_size
        self._require("embedding_size", same_sizes or not self.tied, "the hidden_size where weights are tied")
        plain = self.layers == 1 and not self.tied
        self._require("layers", plain or self.initialisation != "chapter5", "1, and tied false, for chapter5's weights")
        self._require("schedule", self.schedule == "plateau" or self.decay == 1, "plateau for decay to work")

    def _require(self, key: str, holds: bool, needed: str) -> None:
        if not holds:
            raise RecipeError(f"recipe {self.name}: {key} must be {needed}, got {getattr(self, key)!r}")

    @property
    def options(self) -> Options:
        """What the model is made of beyond its sizes."""
        return Options(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Options)})

    def overridden(self, **values: Any) -> Recipe:
        """Return the recipe with some values changed; those that are None stay."""
        return dataclasses.replace(self, **{key: value for key, value in values.items() if value is not None})

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return dataclasses.asdict(self)


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    folder = resources.files("timernn_suite.lm") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Load a recipe by name, or from a TOML file by its path.

    Raises
    ------
    RecipeError
        If there is none, it isn't TOML, or it holds an unknown key or a wrong value.
    """
    if name in recipe_names():
        source = (resources.files("timernn_suite.lm") / "recipes" / f"{name}.toml").read_bytes()
    elif Path(name).is_file():
        source = Path(name).read_bytes()
    else:
        raise RecipeError(f"no recipe {name!r}: give one of {', '.join(recipe_names())}, or the path of a TOML file")
    try:
        values = tomllib.loads(source.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {name}: not TOML: {error}") from error
    values.setdefault("name", Path(name).stem)
    return recipe_from(values)


def recipe_from(values: dict[str, Any]) -> Recipe:
    """Make a recipe of a mapping, such as a TOML file's or a checkpoint's.

    Raises
    ------
    RecipeError
        If it holds an unknown key or a wrong value.
    """
    known = {field.name for field in dataclasses.fields(Recipe)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise RecipeError(
            f"recipe {values.get('name')}: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    return Recipe(**values)
