"""Generated cases: they cover what they are there for, are the same for the same seed, and a failure is code."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings

from timernn_suite.check import judge
from timernn_suite.conformance.support import strategies
from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.generated import NotFinite
from timernn_suite.conformance.support.layouts import LAYOUTS
from timernn_suite.conformance.support.sequences import Backward, Forward, Refused, ResetState, SetState

FAULTY = """
import numpy as np

from timernn.layers import TimeRNN
from timernn.numpy_backend import NumpyBackend


class WrongForOneRow(NumpyBackend):
    name = "wrong"

    def time_rnn_forward(self, xs, h_prev, **rest):
        hs, cache = super().time_rnn_forward(xs, h_prev, **rest)
        return (hs if len(xs) != 3 else hs * hs.dtype.type(1.5)), cache


class Raises(NumpyBackend):
    name = "raises"

    def time_affine_forward(self, xs, **rest):
        if xs.shape[1] > 2:
            raise ArithmeticError("no idea")
        return super().time_affine_forward(xs, **rest)


class RaisesTwice(NumpyBackend):
    name = "raises-twice"

    def time_affine_forward(self, xs, **rest):
        if xs.shape[1] > 2:
            raise KeyError("too long")
        if xs.shape[2] > 2:
            raise IndexError("too wide")
        return super().time_affine_forward(xs, **rest)


class Forgetful(NumpyBackend):
    name = "forgetful"

    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        return ForgetsAtTheThirdCall(self, Wx, Wh, b, stateful=stateful)


class ForgetsAtTheThirdCall(TimeRNN):
    calls = 0

    def forward(self, xs):
        self.calls += 1
        if self.calls == 3:
            self._h = None
        return super().forward(xs)
"""


SMALL = Sizes(3, 4, 2, 5, 1)


def drawn(strategy, count=400, of=0):
    found = []

    @seed(of)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(case):
        found.append(case)

    draw()
    return found


def test_layers_of_every_kind_size_and_layout_are_drawn():
    cases = drawn(strategies.layers)
    assert {case.kind for case in cases} == {"step", "block", "embedding", "affine"}
    assert {layout for case in cases for layout in case.layouts} == set(LAYOUTS)
    assert all(1 in {getattr(case.sizes, size) for case in cases} for size in "NTDHV")
    assert {case.sizes.T for case in cases} >= {1, 2, 37}
    assert any(case.sizes.D < case.sizes.H for case in cases)
    assert any(case.sizes.D > case.sizes.H for case in cases)
    assert len({case.seed for case in cases}) > 100


def test_labels_in_and_out_of_range_of_every_type_are_drawn():
    cases = drawn(strategies.losses(outside=False)) + drawn(strategies.losses(outside=True))
    assert {case.label_type for case in cases} == {"int64", "int32", "int16", "int8", "uint8"}
    outside = Counter(case.outside is not None for case in cases)
    assert outside == {True: 400, False: 400}
    assert all(not 0 <= case.outside < case.sizes.V for case in cases if case.outside is not None)
    assert any(0 <= case.ignore_label < case.sizes.V for case in cases)
    assert {case.ignored for case in cases} == {0.0, 0.3, 1.0}


def test_nan_and_infinity_are_put_at_every_place():
    places = {NotFinite(SMALL, seed, "nan", "xs").place((3, 4, 2)) for seed in range(1000)}
    assert places == set(np.ndindex(3, 4, 2))


def test_sequences_hold_every_call_in_every_order():
    cases = drawn(strategies.sequences)
    pairs = {(type(one), type(two)) for case in cases for one, two in zip(case.calls, case.calls[1:], strict=False)}
    calls = (Forward, Backward, SetState, ResetState, Refused)
    assert pairs == {(one, two) for one in calls for two in calls}
    assert {case.stateful for case in cases} == {True, False}
    assert max(len(case.calls) for case in cases) >= 8


def test_the_same_seed_draws_the_same_and_another_others():
    first, again, other = (drawn(strategies.layers, 30, of) for of in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_case_shrinks_to_a_small_one():
    smallest = find(strategies.layers, lambda case: case.sizes.T > 5 and case.kind == "block")
    assert str(smallest.sizes) == "1x7x1x1x1"
    assert smallest.layouts == ("plain",)


FAULTS = {
    "WrongForOneRow": ("a_layer", "hs: s = ", "N=3, T=1, D=1, H=1"),
    "Raises": ("a_layer", "no idea", "T=3, D=1, H=1"),
    "RaisesTwice": ("a_layer", "Error: ", "Layer(kind="),
    "Forgetful": ("a_sequence_of_calls", "hs: s = ", "Forward(N=1, T=1, seed=0), Forward(N=1, T=1, seed=0)))"),
}


@pytest.mark.parametrize("backend", FAULTS)
def test_a_failure_is_shrunk_and_printed_as_code_that_shows_it_again(backend, write_backend, run_suite, tmp_path):
    kind, said, part = FAULTS[backend]
    write_backend("generated_faults", FAULTY)
    done = run_suite(f"generated_faults:{backend}", "-k", f"test_any_case_holds and float64 and {kind}")
    assert done.returncode == 1, done.stdout
    lines = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    start = lines.index("To see it again:")
    code = lines[start + 1 : start + 3]
    assert code[0].startswith("from timernn_suite.conformance.support.")
    assert part in code[1]
    again = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert said in done.stdout
    assert said in again.stderr


def test_as_many_cases_are_judged_as_were_asked_for():
    card = judge("numpy", keyword="test_any_case_holds and float32", cases=37)
    assert sorted(outcome.cases for outcome in card.outcomes) == [2, 2, 6, 7, 9, 11]  # 5, 5, 15, 20, 25 and 30 percent
