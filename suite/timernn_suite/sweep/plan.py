"""The plan of a sweep: every cell under the hash of all that decides its result, so that none is ever run twice."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import timernn
from timernn.registry import backend_origin
from timernn_suite import corpus as corpus_package
from timernn_suite import lm
from timernn_suite.corpus import Corpus, load_corpus
from timernn_suite.lm.recipes import Recipe, recipe_from
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.grid import Grid

FORMAT = 1
#: Keys of a recipe that don't decide a result: what it is called, and where its text lies (its hashes decide).
_NAMES = ("name", "corpus")
#: What source files are called, kernels for a GPU included.
_SOURCES = ("*.py", "*.cu")


@dataclass(frozen=True)
class PlannedCell:
    """A cell and its address.

    Attributes
    ----------
    address : str
        SHA-256, in hexadecimal, of all that decides the result.
    recipe : Recipe
        How it trains, its seed included.
    overrides : mapping
        The values that the grid gave the recipe.
    backend : str
        A registered name or ``module:Class``.
    corpus : mapping
        Description of the text; see `Corpus.describe`.
    """

    address: str
    recipe: Recipe
    overrides: Mapping[str, Any]
    backend: str
    corpus: Mapping[str, Any]

    @property
    def configuration(self) -> str:
        """What the cells that differ in nothing but the seed have in common, as a key."""
        return canonical([asdict(self.recipe) | {"seed": None}, self.backend])

    @property
    def label(self) -> str:
        """The recipe's name and the values that the grid gave it."""
        return " ".join([self.recipe.name, *(f"{key}={value}" for key, value in self.overrides.items())])


@dataclass(frozen=True)
class Plan:
    """All cells of a sweep, each once.

    Attributes
    ----------
    name : str
        The grid's.
    timing : bool
        Whether speed counts.
    threads : int
        Threads of each cell.
    cells : list of PlannedCell
        In the grid's order.
    """

    name: str
    timing: bool
    threads: int
    cells: list[PlannedCell] = field(repr=False)

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return {"format": FORMAT, **asdict(self)}


def plan_from(record: Mapping[str, Any]) -> Plan:
    """Make a plan of the record that `Plan.as_record` made."""
    if record["format"] != FORMAT:
        raise SweepError(f"the plan has format {record['format']!r}; this version of timernn reads {FORMAT}")
    cells = [PlannedCell(**{**cell, "recipe": recipe_from(cell["recipe"])}) for cell in record["cells"]]
    return Plan(record["name"], record["timing"], record["threads"], cells)


def make_plan(grid: Grid, data: Path | None = None) -> Plan:
    """Give every cell of a grid its address; cells that the grid names twice are there once.

    Parameters
    ----------
    grid : Grid
        What to run.
    data : Path, optional
        Where the Penn Treebank is; see `load_corpus`.

    Raises
    ------
    CorpusError
        If a recipe's text can't be loaded.
    """
    texts: dict[str, Corpus] = {}
    cells: dict[str, PlannedCell] = {}
    for cell in grid.cells:
        name = cell.recipe.corpus
        if name not in texts:
            texts[name] = load_corpus(name, data=data, progress=True)
        described = texts[name].describe()
        address = address_of(
            {
                "recipe": _decisive(cell.recipe),
                "backend": [cell.backend, code_of_backend(cell.backend)],
                "corpus": {key: described[key] for key in ("V", "tokens", "sha256")},
                "code": code_digest(),
                "threads": grid.threads,
                "timing": grid.timing,
            }
        )
        cells.setdefault(address, PlannedCell(address, cell.recipe, cell.overrides, cell.backend, described))
    return Plan(grid.name, grid.timing, grid.threads, list(cells.values()))


def _decisive(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's values that decide a result; 1 and 1.0 are the same where a float is meant."""
    values = {entry.name: getattr(recipe, entry.name) for entry in fields(recipe) if entry.name not in _NAMES}
    return {key: float(value) if Recipe.__annotations__[key] == "float" else value for key, value in values.items()}


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys in order, no blanks, ASCII alone."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def address_of(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an identity's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(identity).encode("ascii")).hexdigest()


@functools.cache
def code_digest() -> str:
    """Return the SHA-256 of the source that decides a result: `timernn`, and the suite's corpora and language model.

    Not the version's number alone: between releases, and in a changed checkout, the same number computes other things.
    """
    digest = hashlib.sha256()
    for package in (timernn, corpus_package, lm):
        root = Path(str(package.__file__)).parent
        for path in sorted(path for pattern in _SOURCES for path in root.rglob(pattern)):
            digest.update(f"{package.__name__}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def code_of_backend(name: str) -> str | None:
    """Return what stands for an outside backend's code: distribution and version, or the hash of the module's file."""
    if ":" not in name:
        return backend_origin(name)
    found = importlib.util.find_spec(name.partition(":")[0])
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return None
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()


def backends_of(cells: Sequence[PlannedCell]) -> list[str]:
    """Return the backends of some cells, each once."""
    return list(dict.fromkeys(cell.backend for cell in cells))
