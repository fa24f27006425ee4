"""The oracle against vectors of 60 digits that mpmath made element by element; see ``golden/make_golden.py``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from timernn_suite.conformance.support import oracle

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text(encoding="utf-8"))
#: Whether the machine has a type beyond float64. Without one, float64's own cancellations are the oracle's.
EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def inputs(case):
    return [
        np.array([float.fromhex(x) for x in values]).reshape(case["shapes"][name])
        for name, values in case["inputs"].items()
    ]


def result(case, name):
    """Return a stored result as the sum of its two float64, in the machine's longest type."""
    pairs = np.vectorize(float.fromhex, otypes=[np.float64])(np.array(case["results"][name]))
    return pairs[..., 0].astype(np.longdouble) + pairs[..., 1]


def answer(name, case):
    values = inputs(case)
    if name.startswith("block"):
        return oracle.time_rnn(*values)
    if name == "affine":
        return oracle.time_affine(*values)
    return oracle.time_softmax_with_loss(*values, np.array(GOLDEN["labels"]))


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_the_oracle_lies_within_4_ulp_of_every_golden_element(name):
    case = GOLDEN["cases"][name]
    got = answer(name, case)
    for tensor in case["results"]:
        want = result(case, tensor)
        assert got[tensor].shape == want.shape
        size = np.abs(want) if EXTENDED else np.abs(want).max()
        ulp = np.spacing(np.asarray(size, dtype=np.float64))
        assert (np.abs(got[tensor] - want) <= 4 * ulp).all(), tensor


def test_a_golden_element_is_more_than_a_float64():
    """The second float of a pair adds bits: else the vectors would be no better than what they check."""
    case = GOLDEN["cases"]["block 2x3x2x4"]
    pairs = np.vectorize(float.fromhex, otypes=[np.float64])(np.array(case["results"]["dWh"]))
    assert (pairs[..., 1] != 0).all()
    assert (np.abs(pairs[..., 1]) <= np.spacing(np.abs(pairs[..., 0]))).all()


@pytest.mark.skipif(not EXTENDED, reason="the machine has no type beyond float64")
def test_the_oracles_own_rounding_is_no_part_of_a_float64_score():
    """Rounded to float64, the oracle's answer is the golden one to the last bit, but for a tie now and then."""
    name = "block 1x40x2x3"
    got, case = answer(name, GOLDEN["cases"][name]), GOLDEN["cases"][name]
    for tensor in case["results"]:
        want = result(case, tensor).astype(np.float64)
        assert np.mean(got[tensor].astype(np.float64) == want) > 0.95, tensor
