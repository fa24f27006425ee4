"""What asv runs: every benchmark once, at every parameter, so that no error waits for the long run."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = ("layers", "model", "ratios", "quality")
KINDS = ("time_", "peakmem_", "track_")


@pytest.fixture(scope="module", autouse=True)
def on_path():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


def classes():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        modules = [importlib.import_module(f"over_time.{name}") for name in MODULES]
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    found = [kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)]
    own = [kind for kind in found if kind.__module__.startswith("over_time.") and not kind.__name__.startswith("_")]
    return {f"{kind.__module__.partition('.')[2]}.{kind.__name__}": kind for kind in own if hasattr(kind, "params")}


CLASSES = classes()


def combinations(kind):
    # asv takes a flat list for that of a single parameter
    lists = kind.params if isinstance(kind.params[0], (tuple, list)) else (kind.params,)
    return list(itertools.product(*lists))


def benchmarks(kind):
    return [name for name in dir(kind) if name.startswith(KINDS) and callable(getattr(kind, name))]


def test_every_layer_the_model_the_ratios_and_the_quality_are_there():
    assert set(CLASSES) == {
        *(
            f"layers.{name}"
            for name in ("RNN", "TimeRNN", "TimeRNNMemory", "TimeEmbedding", "TimeAffine", "TimeSoftmaxWithLoss")
        ),
        *("model.LanguageModel", "ratios.Block", "quality.Conformance", "quality.Perplexity", "quality.FirstCall"),
    }
    tracked = {name for kind in CLASSES.values() for name in benchmarks(kind)}
    assert tracked >= {
        *("time_forward", "time_backward", "time_step", "peakmem_both", "track_tokens_per_second"),
        *("track_ratio_to_reference", "track_ratio_to_gemm", "track_compile_seconds", "track_perplexity"),
        *("track_conformance_score", "track_conformance_failures", "track_conformance_checks"),
    }


def test_the_backends_are_those_of_the_project_whether_they_can_run_or_not():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for kind in CLASSES.values():
        assert {combination[0] for combination in combinations(kind)} == set(
            project["entry-points"]["timernn.backends"]
        )


@pytest.mark.parametrize("name", CLASSES)
def test_versions_are_set_by_hand_and_modules_are_no_benchmarks_by_name(name):
    """A version made of the code begins a new history with every edit, and -b matches module names too."""
    assert isinstance(CLASSES[name].version, str)
    assert not name.startswith(KINDS)


def test_asv_takes_nothing_else_for_a_benchmark():
    """asv takes every function of a module whose name begins so, where it was imported from too."""
    for name in MODULES:
        module = importlib.import_module(f"over_time.{name}")
        assert not [key for key, value in vars(module).items() if inspect.isfunction(value) and key.startswith(KINDS)]


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"quality.Conformance", "quality.FirstCall"}))
def test_every_benchmark_runs_and_every_figure_is_one(name, monkeypatch):
    kind = CLASSES[name]
    if name == "ratios.Block":
        monkeypatch.setattr(importlib.import_module("over_time.ratios"), "TURNS", 1)
        monkeypatch.setattr(importlib.import_module("over_time.ratios"), "SECONDS", 0.0)
    ran = 0
    for combination in combinations(kind):
        instance = kind()
        try:
            instance.setup(*combination)
        except NotImplementedError:  # n/a
            continue
        for benchmark in benchmarks(kind):
            value = getattr(instance, benchmark)(*combination)
            if benchmark.startswith("track_"):
                assert value > 0
                assert math.isfinite(value)
            ran += 1
    assert ran


def test_the_conformance_of_a_backend_is_in_one_cache_for_three_figures(monkeypatch):
    quality = importlib.import_module("over_time.quality")
    real = quality.judge
    monkeypatch.setattr(quality, "BACKENDS", ("numpy",))
    monkeypatch.setattr(quality, "judge", lambda name, **options: real(name, keyword="test_layout", **options))
    conformance = quality.Conformance()
    cards = conformance.setup_cache()
    assert conformance.track_conformance_failures(cards, "numpy") == 0
    assert conformance.track_conformance_checks(cards, "numpy") == 36
    assert math.isnan(conformance.track_conformance_score(cards, "numpy"))  # no values are compared there


def test_the_first_call_is_timed_in_a_process_of_its_own():
    assert CLASSES["quality.FirstCall"]().track_compile_seconds("numpy") < 60
