"""Grid files: what they spread out into, and what is wrong with them, said before anything runs."""

from __future__ import annotations

import pytest

from timernn_suite.sweep.errors import GridError
from timernn_suite.sweep.grid import load_grid


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a grid of some text."""

    def load(text: str):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_grid(path)

    return load


def test_the_product_of_all_lists_is_run(read):
    grid = read(
        'recipe = "markov"\nbackends = ["numpy", "numba"]\nseeds = [3, 4]\n'
        "[override]\nhidden_size = [5, 6, 7]\nepochs = [1, 2]\n"
    )
    found = [(cell.backend, cell.recipe.seed, cell.recipe.hidden_size, cell.recipe.epochs) for cell in grid.cells]
    assert len(found) == len(set(found)) == 2 * 2 * 3 * 2
    assert ("numba", 4, 7, 1) in found
    assert {cell.recipe.name for cell in grid.cells} == {"markov"}
    assert grid.name == "mine"


def test_a_grid_of_nothing_is_the_markov_recipe_itself(read):
    (cell,) = read("").cells
    assert (cell.recipe.name, cell.recipe.seed, cell.backend, dict(cell.overrides)) == ("markov", 0, "numpy", {})


def test_a_cell_takes_what_it_leaves_out_from_the_grid(read):
    cells = read(
        'backends = ["numba"]\nseeds = [1, 2]\n[override]\nhidden_size = [5]\n'
        "[[cell]]\nhidden_size = 9\nseeds = [7]\n[[cell]]\nepochs = 3\nbackends = ['numpy']\n"
    ).cells
    assert [(cell.backend, cell.recipe.seed, dict(cell.overrides)) for cell in cells] == [
        ("numba", 1, {"hidden_size": 5}),
        ("numba", 2, {"hidden_size": 5}),
        ("numba", 7, {"hidden_size": 9}),
        ("numpy", 1, {"epochs": 3}),
        ("numpy", 2, {"epochs": 3}),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("recipe = ", "not TOML"),
        ("hidden_size = [5]", r"unknown hidden_size; known: .*under \[override\]"),
        ("recipe = 5", "recipe must be a recipe's name or path, got 5"),
        ('recipe = "none-such"', "no recipe 'none-such'"),
        ('seeds = ["a"]', r"seeds must be a list of whole numbers, at least one, got \['a'\]"),
        ("seeds = [true]", "seeds must be a list of whole numbers"),
        ("seeds = [-1]", "seed must be 0 or more, got -1"),
        ("seeds = []", "seeds must be a list of whole numbers, at least one"),
        ('backends = "numpy"', "backends must be a list of names, at least one, got 'numpy'"),
        ('timing = "yes"', "timing must be true or false, got 'yes'"),
        ("threads = 0", "threads must be a whole number of at least 1, got 0"),
        ("override = 3", "override must be a table of lists"),
        ("[override]\nhidden_size = 5", "override.hidden_size must be a list of values, at least one, got 5"),
        ("[override]\nhidden_size = [[5]]", "override.hidden_size must be a list of values"),
        ("[override]\nhidden_siez = [5]", "unknown hidden_siez"),
        ('[override]\nhidden_size = ["5"]', "hidden_size must be a int, got '5'"),
        ("[override]\nseed = [5]", "seed can't be overridden: seeds stand in the list 'seeds'"),
        ("[override]\nname = ['x']", "name can't be overridden"),
        ("cell = 3", r"cell must be written \[\[cell\]\]"),
        ("[[cell]]\n[[cell]]\nepochs = 0", r"\[\[cell\]\] number 2: recipe markov: epochs must be at least 1, got 0"),
        ("[[cell]]\nhidden_size = [5]", r"\[\[cell\]\] number 1: .*hidden_size must be a int, got \[5\]"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_key(read, text, complaint):
    with pytest.raises(GridError, match=complaint) as raised:
        read(text)
    assert str(raised.value).startswith("grid ")
    assert "mine.toml: " in str(raised.value)


def test_a_grid_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(GridError, match=r"none\.toml: can't be read: No such file"):
        load_grid(tmp_path / "none.toml")
