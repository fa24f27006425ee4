"""Verdicts on changes of speed, and which records may be compared at all."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from timernn_suite.provenance import IncomparableError, environment, hardware_hash, require_comparable
from timernn_suite.speed.against import BenchError, read_bench, require_like, since
from timernn_suite.speed.verdict import Change, Verdict

RECORD = Path(__file__).parents[3] / "results" / "speed" / "bench.json"


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((1.28, 1.31, 1.30, 1.33, 1.27, 1.29, 1.30, 1.32), Verdict.SLOWER),
        ((0.70, 0.72, 0.69, 0.71, 0.74, 0.70, 0.68, 0.71), Verdict.FASTER),
        ((1.01, 0.99, 1.00, 1.02, 0.98, 1.00, 1.01, 0.97), Verdict.SAME),
        ((0.80, 1.40, 1.00, 1.50, 0.70, 1.10, 0.90, 1.60), Verdict.UNSURE),
        ((1.06, 1.07, 1.05, 1.06, 1.08, 1.07, 1.06, 1.30), Verdict.SAME),  # certain, but no change that matters
        ((1.09, 1.12, 1.08, 1.13, 1.07, 1.09, 1.14, 1.08), Verdict.UNSURE),  # on either side of what matters
        ((1.5, 1.5), Verdict.UNSURE),  # two coins prove nothing
    ],
)
def test_the_verdict_needs_an_interval_and_a_change_that_matters(ratios, verdict):
    assert Change(ratios, threshold=1.1).verdict is verdict


def test_one_wild_pair_of_eight_changes_no_verdict():
    assert Change((1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 0.5), 1.1).verdict is Verdict.SLOWER
    assert Change((1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0), 1.1).verdict is Verdict.SAME


def test_the_interval_holds_the_true_median_as_often_as_it_says():
    random = np.random.default_rng(0)
    for pairs in (5, 8, 12):
        inside = 0
        for _ in range(2000):
            low, high = Change(np.exp(random.standard_t(2, pairs)).tolist(), 1.1).interval
            inside += low <= 1 <= high
        assert inside / 2000 > 0.88  # 0.9, less three standard errors


@pytest.mark.parametrize(("ratios", "threshold", "named"), [((), 1.1, "ratios"), ((1.0,), 1.0, "threshold")])
def test_a_change_without_ratios_or_threshold_is_refused(ratios, threshold, named):
    with pytest.raises(ValueError, match=named):
        Change(ratios, threshold)


def test_environments_of_one_machine_and_libraries_can_be_compared():
    here = environment()
    require_comparable(here, {**here, "date": "another", "load": 7.0, "git": None})
    assert hardware_hash(here) == hardware_hash({**here, "numpy": "0.0"}) != hardware_hash({**here, "cores": 99})


@pytest.mark.parametrize(
    ("key", "value"),
    [("processor", "another"), ("numpy", "0.0"), ("cores", 99), ("flags", ["another"]), ("governor", "another")],
)
def test_another_environment_is_refused_and_named(key, value):
    here = environment()
    with pytest.raises(IncomparableError, match=f"{key}: "):
        require_comparable(here, {**here, key: value})


def test_a_run_is_held_against_an_older_one_by_times_the_limit():
    old = read_bench(RECORD)
    new = copy.deepcopy(old)
    toy = new["shapes"]["toy"]["measurements"]
    toy["numpy"]["times_limit"] = [1.3 * taken for taken in toy["numpy"]["times_limit"]]
    toy["numba"] = {"error": "it fell over"}
    del new["shapes"]["small"]
    new["shapes"]["stream"]["T"] += 1  # another shape of the same name
    found = since(old, new)
    assert found.pop(("toy", "numpy")) == pytest.approx(1.3)
    assert found.pop(("toy", "numba")) == "fails: it fell over"
    assert set(found.values()) == {1.0}
    assert not {"small", "stream"} & {shape for shape, _ in found}


def test_runs_with_nothing_in_common_are_refused():
    old = read_bench(RECORD)
    with pytest.raises(BenchError, match="no shape and implementation in common"):
        since(old, {**old, "shapes": {}})


def test_a_run_of_other_settings_is_refused():
    old = read_bench(RECORD)
    require_like(old, old["environment"], old["settings"])
    with pytest.raises(IncomparableError, match="threads"):
        require_like(old, old["environment"], {**old["settings"], "threads": 99})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "isn't JSON"),
        ("[]", "is no record of 'timernn bench'"),
        (json.dumps({"schema_version": 99}), "has the schema version 99"),
    ],
)
def test_a_file_that_is_no_benchmark_is_refused(tmp_path, text, said):
    path = tmp_path / "bench.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match=said):
        read_bench(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BenchError, match="can't be read"):
        read_bench(tmp_path / "none.json")
