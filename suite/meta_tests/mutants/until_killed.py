"""A pytest plugin that runs on each mutant what should kill it first, and stops with it once it is dead twice over.

Loaded as ``-p until_killed``. Dead is a mutant when the test that it names has failed, and a law too: a test that
compares no value with the oracle's. One that says why no law finds it is run to the end, to see whether that is so.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

#: Files whose tests compare with the oracle, whatever else they do.
BY_VALUE = ("test_values.py", "test_generated.py")


class Mutant:
    """What is known of one mutant so far."""

    def __init__(self, spec: str) -> None:
        module, _, name = spec.partition(":")
        kind = getattr(importlib.import_module(module), name)
        self.killed_by: str | None = getattr(kind, "killed_by", None)
        self.has_excuse = hasattr(kind, "no_law")
        self.failed: set[str] = set()
        self.law_failed = False

    @property
    def done(self) -> bool:
        """Whether no other test is needed."""
        return self.killed_by in self.failed and self.law_failed and not self.has_excuse


def is_law(test: str, scores: dict[str, float] | list[str]) -> bool:
    """Whether a test is a law: it recorded no score, and lies in no file of comparisons."""
    return not scores and not test.startswith(BY_VALUE)


class UntilKilled:
    """The plugin, with the mutants of this run."""

    def __init__(self) -> None:
        self.mutants: dict[str, Mutant] = {}

    def mutant(self, item: pytest.Item) -> Mutant | None:
        """Return the mutant that a test is run on; None for a test of no backend."""
        parameters = getattr(item, "callspec", None)
        judged = parameters and (parameters.params.get("backend") or parameters.params.get("subject", [None])[0])
        if not judged:
            return None
        if judged.name not in self.mutants:
            self.mutants[judged.name] = Mutant(judged.name)
        return self.mutants[judged.name]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put each mutant's killer first, then the laws, then what compares values."""

        def rank(item: pytest.Item) -> tuple[bool, bool]:
            mutant, name = self.mutant(item), name_of(item)
            return mutant is None or name != mutant.killed_by, name.startswith(BY_VALUE)

        items.sort(key=rank)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a test whose mutant is dead; were it left out, the fixtures of the test before would be in the way."""
        mutant = self.mutant(item)
        if mutant is not None and mutant.done:
            pytest.skip("its mutant is dead")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Take down what failed."""
        report = yield
        mutant = self.mutant(item)
        if mutant is not None and report.when == "call" and report.failed:
            mutant.failed.add(name_of(item))
            scores = [name for name, _ in report.user_properties if name.startswith("s:")]
            mutant.law_failed |= is_law(name_of(item), scores)
        return report


def name_of(item: pytest.Item) -> str:
    """Return a test's file and name without its parameters."""
    return f"{item.path.name}::{getattr(item, 'originalname', item.name)}"


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(UntilKilled())
