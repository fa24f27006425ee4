"""Recipes: those that come with the package, and clear errors for one's own."""

from __future__ import annotations

import pytest

from timernn_suite.lm.recipes import Recipe, RecipeError, load_recipe, recipe_from, recipe_names


def test_the_recipes_that_come_with_the_package_all_load():
    assert recipe_names() == ["chapter5", "markov", "ptb-small"]
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_the_chapter_5_recipe_is_the_textbooks():
    recipe = load_recipe("chapter5")
    sizes = (recipe.batch_size, recipe.time_size, recipe.embedding_size, recipe.hidden_size)
    assert sizes == (10, 5, 100, 100)
    assert (recipe.optimiser, recipe.learning_rate, recipe.epochs) == ("sgd", 0.1, 100)
    assert (recipe.train_tokens, recipe.max_norm) == (1000, 0.0)


def test_a_recipe_of_ones_own_is_named_after_its_file(write_text):
    recipe = load_recipe(str(write_text("tiny.toml", "epochs = 3\nlearning_rate = 1\n")))
    assert (recipe.name, recipe.epochs, recipe.learning_rate) == ("tiny", 3, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epoch = 3", "unknown epoch; known: .*epochs"),
        ("epochs = 0", "epochs must be at least 1, got 0"),
        ("epochs = 2.5", "epochs must be a int, got 2.5"),
        ("epochs = true", "epochs must be a int, got True"),
        ("learning_rate = 0", "learning_rate must be more than 0, got 0"),
        ("decay = 1.5", "decay must be more than 0 and at most 1, got 1.5"),
        ("max_norm = -1.0", "max_norm must be 0 or more, got -1.0"),
        ("optimiser = 'adamw'", "optimiser must be one of sgd, adam, got 'adamw'"),
        ("dtype = 'float16'", "dtype must be one of float32, float64, got 'float16'"),
        ("validate = false\ndecay = 0.5", "validate must be true for decay, patience and average to work, got False"),
        ("epochs = ", "not TOML"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(write_text, line, message):
    path = write_text("mine.toml", line)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(RecipeError, match="no recipe 'ptb-tiny': give one of chapter5, markov, ptb-small"):
        load_recipe("ptb-tiny")


def test_a_recipe_survives_its_record_and_only_given_values_are_overridden():
    recipe = Recipe("mine", epochs=3, dtype="float64")
    assert recipe_from(recipe.as_record()) == recipe
    changed = recipe.overridden(epochs=None, seed=7)
    assert (changed.epochs, changed.seed) == (3, 7)
