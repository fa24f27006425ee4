"""The grid file: recipes, the values they are tried with, backends and seeds; checked, and spread out into cells.

::

    recipe = "markov"            # a recipe's name, or the path of a TOML file
    backends = ["numpy", "numba"]
    seeds = [0, 1, 2]            # by default the recipe's own
    timing = false               # true: speed counts, and no two cells share a machine
    threads = 1                  # of each cell

    [override]                   # any keys of a recipe, a list of values each; their product is run
    hidden_size = [50, 100]
    learning_rate = [0.002, 0.004]

    [[cell]]                     # one more configuration; what it leaves out is as above
    hidden_size = 200
    seeds = [0]

Without ``override`` the recipe is run as it is. ``[[cell]]`` takes ``recipe``, ``backends``, ``seeds`` and keys of a
recipe with one value each.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timernn_suite.lm.recipes import Recipe, RecipeError, load_recipe, recipe_from
from timernn_suite.sweep.errors import GridError

KEYS = ("recipe", "backends", "seeds", "timing", "threads", "override", "cell")
#: What a cell's entry has beside keys of a recipe.
CELL_KEYS = ("recipe", "backends", "seeds")
#: Keys of a recipe that a grid has another place for, and where that is.
ELSEWHERE = {"seed": "seeds stand in the list 'seeds'", "name": "a configuration is named after its recipe and values"}


@dataclass(frozen=True)
class Cell:
    """One training run of a sweep.

    Attributes
    ----------
    recipe : Recipe
        How it trains; its seed is the cell's.
    overrides : mapping
        The values that the grid gave the recipe, by key: what the configuration is called by.
    backend : str
        A registered name or ``module:Class``.
    """

    recipe: Recipe
    overrides: Mapping[str, Any]
    backend: str


@dataclass(frozen=True)
class Grid:
    """A checked grid file.

    Attributes
    ----------
    name : str
        The file's, without its ending.
    cells : tuple of Cell
        In the order in which they are listed; those that the grid names twice are here twice.
    timing : bool
        Whether speed counts.
    threads : int
        Threads of each cell.
    """

    name: str
    cells: tuple[Cell, ...]
    timing: bool = False
    threads: int = 1


def load_grid(path: Path) -> Grid:
    """Read and check a grid file.

    Raises
    ------
    GridError
        If it can't be read, isn't TOML, has an unknown key, or a value is not what it must be.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GridError(f"grid {path}: can't be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GridError(f"grid {path}: not TOML: {error}") from error
    try:
        return _grid(path.stem, table)
    except (GridError, RecipeError) as error:
        raise GridError(f"grid {path}: {error}") from error


def _grid(name: str, table: dict[str, Any]) -> Grid:
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise GridError(
            f"unknown {', '.join(unknown)}; known: {', '.join(KEYS)} (a recipe's keys stand under [override])"
        )
    timing = table.get("timing", False)
    if not isinstance(timing, bool):
        raise GridError(f"timing must be true or false, got {timing!r}")
    threads = table.get("threads", 1)
    if not _is_int(threads) or threads < 1:
        raise GridError(f"threads must be a whole number of at least 1, got {threads!r}")
    override = table.get("override", {})
    if not isinstance(override, dict):
        raise GridError(
            f"override must be a table of lists, such as [override] hidden_size = [50, 100], got {override!r}"
        )
    for key, values in override.items():
        _list_of(f"override.{key}", values, "values", lambda value: not isinstance(value, list | dict))
    entries = table.get("cell", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise GridError("cell must be written [[cell]], once for each further configuration")
    products = itertools.product(*override.values())
    cells = [cell for values in products for cell in _cells(table, dict(zip(override, values, strict=True)))]
    for place, entry in enumerate(entries, start=1):
        shared = {key: table[key] for key in CELL_KEYS if key in table}
        try:
            own = {key: value for key, value in entry.items() if key not in CELL_KEYS}
            cells += _cells(shared | entry, own)
        except (GridError, RecipeError) as error:
            raise GridError(f"[[cell]] number {place}: {error}") from error
    return Grid(name, tuple(cells), timing, threads)


def _cells(table: Mapping[str, Any], overrides: dict[str, Any]) -> Iterator[Cell]:
    """Yield one configuration on every backend and with every seed."""
    name = table.get("recipe", "markov")
    if not isinstance(name, str):
        raise GridError(f"recipe must be a recipe's name or path, got {name!r}")
    for key, place in ELSEWHERE.items():
        if key in overrides:
            raise GridError(f"{key} can't be overridden: {place}")
    base = load_recipe(name)
    recipe = recipe_from(base.as_record() | overrides)
    backends = _list_of("backends", table.get("backends", ["numpy"]), "names", lambda name: isinstance(name, str))
    seeds = _list_of("seeds", table.get("seeds", [base.seed]), "whole numbers", _is_int)
    for backend, seed in itertools.product(backends, seeds):
        yield Cell(recipe.overridden(seed=seed), overrides, backend)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list_of(key: str, values: Any, what: str, is_one: Any) -> list[Any]:
    if not isinstance(values, list) or not values or not all(map(is_one, values)):
        raise GridError(f"{key} must be a list of {what}, at least one, got {values!r}")
    return values
