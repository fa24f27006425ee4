"""What the conformance tests say to a backend, in one place: build a layer from a case, bring results to NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from timernn.contract import Array, Backend
from timernn_suite.conformance.support.cases import PLAIN, Case, Sizes, draw
from timernn_suite.conformance.support.diagnosis import summary
from timernn_suite.conformance.support.tolerance import LIMIT, Expected

Recorder = Callable[[str, object], None]


class Subject:
    """A backend at one element type, as the tests see it."""

    def __init__(self, backend: Backend, dtype: str) -> None:
        self.backend = backend
        self.dtype = dtype

    def case(self, sizes: Sizes = PLAIN, gain: float = 1.0, seed: int = 0) -> Case:
        """Return a case of this element type."""
        return draw(sizes, self.dtype, gain, seed)

    def array(self, data: Any) -> Array:
        """Return a backend array with the values and the element type of a NumPy array."""
        return self.backend.asarray(data)

    def numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """Return a NumPy copy."""
        return np.array(self.backend.to_numpy(array))

    def rnn(self, case: Case) -> Any:
        """Build the single step with the case's parameters."""
        return self.backend.rnn(self.array(case.Wx), self.array(case.Wh), self.array(case.b))

    def time_rnn(self, case: Case, *, stateful: bool = False, h0: Any = None) -> Any:
        """Build the block with the case's parameters, and give it a state if one is named."""
        layer = self.backend.time_rnn(self.array(case.Wx), self.array(case.Wh), self.array(case.b), stateful=stateful)
        if h0 is not None:
            layer.set_state(self.array(h0))
        return layer

    def time_embedding(self, case: Case) -> Any:
        """Build the embedding with the case's parameters."""
        return self.backend.time_embedding(self.array(case.embedding))

    def time_affine(self, case: Case) -> Any:
        """Build the affine layer with the case's parameters."""
        return self.backend.time_affine(self.array(case.W), self.array(case.output_b))

    def forward(self, layer: Any, *inputs: Any) -> np.ndarray[Any, Any]:
        """Run a layer forward on NumPy data and return the result as NumPy data."""
        return self.numpy(layer.forward(*(self.array(value) for value in inputs)))

    def block(self, layer: Any, xs: Any, dhs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Run a TimeRNN forward and backward and return all that comes out, by the oracle's names."""
        hs = self.forward(layer, xs)
        dxs = self.numpy(layer.backward(self.array(dhs)))
        dWx, dWh, db = (self.numpy(grad) for grad in layer.grads)
        return {"hs": hs, "dxs": dxs, "dh": self.numpy(layer.dh), "dWx": dWx, "dWh": dWh, "db": db}

    def judge(self, expected: Expected, got: dict[str, np.ndarray[Any, Any]], record: Recorder) -> None:
        """Assert that every tensor is of this element type and as near the oracle as rounding explains."""
        complaints, right = {}, []
        for name, value in got.items():
            score = expected.score(name, value)
            record(f"s:{name}", score)
            if value.dtype != np.dtype(self.dtype):
                complaints[name] = f"{name}: dtype {value.dtype}, must be {self.dtype}"
            elif not score <= LIMIT:
                complaints[name] = expected.explain(name, value)
            else:
                right.append(name)
        if complaints:
            pytest.fail("\n".join([*summary(complaints, right), *complaints.values()]), pytrace=False)


def assert_same_bits(got: dict[str, Any], want: dict[str, Any]) -> None:
    """Assert that two sets of NumPy results agree to the last bit, NaN equal to NaN."""
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name, strict=True)


def assert_close(subject: Subject, got: Any, want: Any, what: str, factor: float = 64.0) -> None:
    """Assert that two results of one backend agree to ``factor`` units in the last place of the largest element.

    For laws between two calls that may sum in another order; values are judged by `Subject.judge`.
    """
    unit = float(np.finfo(subject.dtype).eps)
    scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
    np.testing.assert_allclose(got, want, rtol=0, atol=factor * unit * scale, err_msg=what)
