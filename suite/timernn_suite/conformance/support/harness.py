"""What the conformance tests say to a backend, in one place: build a layer from a case, bring results to NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from timernn.contract import Array, Backend
from timernn_suite.conformance.support.cases import PLAIN, Case, Sizes, draw
from timernn_suite.conformance.support.diagnosis import summary
from timernn_suite.conformance.support.tolerance import LIMIT, Expected

Recorder = Callable[[str, object], None]


class Subject:
    """A backend at one element type, as the tests see it; ``spec`` is what it was asked for by."""

    def __init__(self, backend: Backend, dtype: str, spec: str) -> None:
        self.backend = backend
        self.dtype = dtype
        self.spec = spec

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

    def run_block(self, case: Case, *, from_state: bool = True) -> dict[str, np.ndarray[Any, Any]]:
        """Run a new block on a case and return what `support.answers.block` expects."""
        return self.block(self.time_rnn(case, h0=case.h0 if from_state else None), case.xs, case.dhs)

    def run_step(self, case: Case) -> dict[str, np.ndarray[Any, Any]]:
        """Run a new single step on a case's first time and return what `support.answers.step` expects."""
        layer = self.rnn(case)
        h_next = self.forward(layer, case.xs[:, 0], case.h0)
        dx, dh_prev = (self.numpy(array) for array in layer.backward(self.array(case.dhs[:, 0])))
        dWx, dWh, db = (self.numpy(grad) for grad in layer.grads)
        return {"h_next": h_next, "dx": dx, "dh_prev": dh_prev, "dWx": dWx, "dWh": dWh, "db": db}

    def run_embedding(self, case: Case) -> dict[str, np.ndarray[Any, Any]]:
        """Run a new embedding on a case and return what `support.answers.embedding` expects."""
        layer = self.time_embedding(case)
        xs = self.forward(layer, case.ids)
        assert layer.backward(self.array(case.dembedded)) is None
        return {"xs": xs, "dW": self.numpy(layer.grads[0])}

    def run_affine(self, case: Case) -> dict[str, np.ndarray[Any, Any]]:
        """Run a new affine layer on a case and return what `support.answers.affine` expects."""
        layer = self.time_affine(case)
        zs = self.forward(layer, case.dhs)
        dxs = self.numpy(layer.backward(self.array(case.dzs)))
        dW, db = (self.numpy(grad) for grad in layer.grads)
        return {"zs": zs, "dxs": dxs, "dW": dW, "db": db}

    def run_loss(self, case: Case, *, ignore_label: int = -1, dloss: float = 1.0) -> dict[str, np.ndarray[Any, Any]]:
        """Run a new softmax with loss on a case and return what `support.answers.loss` expects."""
        layer = self.backend.time_softmax_with_loss(ignore_label=ignore_label)
        loss = self.forward(layer, case.zs, case.ts)
        back = layer.backward() if dloss == 1.0 else layer.backward(dloss)
        return {"loss": loss, "dzs": self.numpy(back)}

    def run_clipping(self, grads: Sequence[Any], max_norm: float) -> dict[str, np.ndarray[Any, Any]]:
        """Clip gradients and return what `support.answers.clipping` expects."""
        clipped, norm = self.backend.clip_gradients([self.array(grad) for grad in grads], max_norm)
        got = {f"grads[{index}]": self.numpy(grad) for index, grad in enumerate(clipped)}
        return got | {"norm": self.numpy(norm).astype(self.dtype)}  # a scalar of any type

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


def assert_agree(expected: Expected, got: Mapping[str, Any], want: Mapping[str, Any], at: Any = ...) -> None:
    """Assert that two results of one backend are no further apart than rounding explains.

    For laws between two calls that may sum in another order; values are judged by `Subject.judge`.

    Parameters
    ----------
    expected : Expected
        The oracle's answer to the same question, whose spread is the measure.
    got, want : mapping
        Tensors by the oracle's names; all of ``got`` are compared.
    at : index, optional
        Which part of the oracle's tensors they are.
    """
    assert got
    for name, value in got.items():
        apart = expected.apart(name, value, want[name], at)
        assert apart <= LIMIT, f"{name}: {apart:.3g} times as far apart as rounding explains, up to {LIMIT:g} passes"
