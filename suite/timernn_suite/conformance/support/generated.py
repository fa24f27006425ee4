"""Cases that are generated: each is a value that checks itself on a backend, and whose repr is code to paste.

`support.strategies` draws them, and shrinks one that fails to the smallest that still does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pytest

from timernn.contract import Array
from timernn.registry import load_backend
from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import Case, Sizes, draw
from timernn_suite.conformance.support.diagnosis import REPLAY
from timernn_suite.conformance.support.harness import Recorder, Subject
from timernn_suite.conformance.support.layouts import REFUSALS, LayoutRefused, laid_out
from timernn_suite.conformance.support.tolerance import Expected

#: Tensors as a layer returned them, by the oracle's names.
Tensors = dict[str, np.ndarray[Any, Any]]


class Generated(Protocol):
    """What every generated case can do."""

    def check(self, subject: Subject, record: Recorder) -> None:
        """Assert that the backend does right by it; ``record`` is told each tensor's score."""


def replay(backend: str, dtype: str, case: Generated) -> None:
    """Check one generated case on a backend again, outside pytest; a failure is raised, silence is a pass."""
    subject = Subject(load_backend(backend), dtype, backend)
    with replayable(subject, case):
        case.check(subject, lambda name, value: None)


@contextmanager
def replayable(subject: Subject, case: Generated) -> Iterator[None]:
    """Put the code that shows a failure again behind the failure's message."""
    code = f"\n{REPLAY}\nfrom {type(case).__module__} import *\nreplay({subject.spec!r}, {subject.dtype!r}, {case!r})"
    try:
        yield
    except pytest.fail.Exception as failure:
        raise pytest.fail.Exception(f"{failure.msg}{code}", pytrace=False) from None
    except Exception as error:
        error.add_note(code)
        raise


@dataclass(frozen=True)
class Layer:
    """One layer, forward and backward: values, inputs that stay as they were, the same bits again.

    Attributes
    ----------
    kind : str
        ``"step"``, ``"block"``, ``"embedding"`` or ``"affine"``.
    sizes : Sizes
        Of everything that is drawn.
    seed : int
        Of all values.
    gain : float
        About the spectral radius of the recurrent weights.
    layouts : tuple of str
        Of the inputs, the output's gradient and the parameters, in turn and over again.
    """

    kind: str
    sizes: Sizes
    seed: int
    gain: float
    layouts: tuple[str, ...]

    def check(self, subject: Subject, record: Recorder) -> None:
        """Compare with the oracle, and a second time with the first."""
        case = draw(self.sizes, subject.dtype, self.gain, self.seed)
        inputs, params, gradient, names = _KINDS[self.kind](case)
        turn = iter(self.layouts * (1 + len(inputs) + len(params)))
        arrays = [_array(subject, value, next(turn)) for value in (*inputs, *params, gradient)]
        given, held, back = arrays[: len(inputs)], arrays[len(inputs) : -1], arrays[-1]
        layer = _BUILDERS[self.kind](subject)(*held)
        if self.kind == "block":
            layer.set_state(given.pop())
        got = _through(subject, layer, given, back, names)
        subject.judge(_ANSWERS[self.kind](case), got, record)
        for array, value in zip(arrays, (*inputs, *params, gradient), strict=True):
            np.testing.assert_array_equal(subject.numpy(array), value, err_msg="an argument was written to")
        again = [subject.numpy(array) for array in _listed(layer.backward(back)) + list(layer.grads)]
        for name, value in zip(names[1:], again, strict=False):  # dh isn't returned, so there is one less
            np.testing.assert_array_equal(value, got[name], err_msg=f"{name} of a second backward")


@dataclass(frozen=True)
class Loss:
    """Softmax with loss: any labels, any ignored label, wide scores, a factor on the way back.

    Attributes
    ----------
    sizes : Sizes
        Of scores and labels.
    seed : int
        Of all values.
    scale : float
        Standard deviation of the scores.
    ignored : float
        About which part of the labels is ignored.
    ignore_label : int
        The label that doesn't count, a class or not.
    dloss : float
        The gradient of the loss.
    label_type : str
        Element type of the labels.
    outside : int or None
        A label out of range at a place of its own, which must be refused.
    layouts : tuple of str
        Of scores and labels.
    """

    sizes: Sizes
    seed: int
    scale: float
    ignored: float
    ignore_label: int
    dloss: float
    label_type: str
    outside: int | None
    layouts: tuple[str, ...]

    def check(self, subject: Subject, record: Recorder) -> None:
        """Compare with the oracle, or see the label out of range refused."""
        random = np.random.default_rng(self.seed)
        N, T, V = self.sizes.N, self.sizes.T, self.sizes.V
        ts = random.integers(0, V, (N, T))
        ts[random.random((N, T)) < self.ignored] = self.ignore_label
        ts = ts.astype(self.label_type if _has_type(subject, self.label_type) else "int64")
        zs = (self.scale * random.standard_normal((N, T, V))).astype(subject.dtype)
        layer = subject.backend.time_softmax_with_loss(ignore_label=self.ignore_label)
        scores = _array(subject, zs, self.layouts[0])
        if self.outside is not None:
            ts[random.integers(N), random.integers(T)] = self.outside
            with pytest.raises(ValueError, match=r"\bts\b"):
                layer.forward(scores, _array(subject, ts, self.layouts[1]))
            return
        case = replace(draw(Sizes(1, 1, 1, 1, 1), subject.dtype), zs=zs, ts=ts.astype(np.int64))
        got = {"loss": subject.numpy(layer.forward(scores, _array(subject, ts, self.layouts[1])))}
        got["dzs"] = subject.numpy(layer.backward(self.dloss))
        expected = answers.loss(case, ignore_label=self.ignore_label, dloss=self.dloss)
        subject.judge(expected, got, record)
        assert not got["dzs"][ts == self.ignore_label].any(), "dzs: an ignored label must get no gradient"
        np.testing.assert_array_equal(subject.numpy(scores), zs, err_msg="zs was written to")


@dataclass(frozen=True)
class NotFinite:
    """NaN or infinity at one place of a block's inputs: it spreads along its row from its time on, and nowhere else.

    Attributes
    ----------
    sizes : Sizes
        Of the block.
    seed : int
        Of all values, and of the place.
    value : str
        ``"nan"``, ``"inf"`` or ``"-inf"``.
    where : str
        ``"xs"``, ``"h0"`` or ``"dhs"``; an infinity in ``dhs`` is as good as NaN.
    """

    sizes: Sizes
    seed: int
    value: str
    where: str

    def place(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the place in an array of that shape."""
        random = np.random.default_rng(self.seed)
        return tuple(int(random.integers(size)) for size in shape)

    def check(self, subject: Subject, record: Recorder) -> None:
        """Compare what it may not reach with the oracle, and see what it must reach reached."""
        case = draw(self.sizes, subject.dtype, 1.0, self.seed)
        place = self.place(getattr(case, self.where).shape)
        spoilt = getattr(case, self.where).copy()
        spoilt[place] = float(self.value)
        n, t = place[0], 0 if self.where == "h0" else place[1]
        got = subject.run_block(replace(case, **{self.where: spoilt}))
        want = answers.block(case).values
        reached = "dxs" if self.where == "dhs" else "hs"
        times = np.s_[n, : t + 1] if self.where == "dhs" else np.s_[n, t:]
        found = got[reached][times]
        if self.value == "nan":
            assert np.isnan(found).all(), f"{reached}: NaN in {self.where}{list(place)} must reach all of {found.shape}"
        elif self.where == "dhs":
            assert not np.isfinite(found[-1]).all(), f"{reached}: infinity in dhs{list(place)} has vanished"
        else:  # an infinity saturates each unit that it reaches, and goes no further
            weights = case.Wx[place[2]] if self.where == "xs" else case.Wh[place[1]]
            np.testing.assert_array_equal(found[0], np.sign(float(self.value) * weights).astype(subject.dtype))
            assert np.isfinite(found).all(), f"{reached}: what follows a saturated time must be finite"
        # What it may not reach is as it was: other rows, and of its own row the times before; going back, those after.
        clean = {name: got[name].copy() for name in ("hs", "dxs", "dh")}
        for name, value in clean.items():
            if name != reached and not (name == "hs" and self.where == "dhs"):  # a gradient reaches no output
                value[n] = want[name][n]
        clean[reached][times] = want[reached][times]
        subject.judge(answers.block(case), clean, record)


@dataclass(frozen=True)
class Clipping:
    """Gradients of several shapes and sizes, clipped by their common norm.

    Attributes
    ----------
    shapes : tuple of shapes
        Of the gradients.
    seed : int
        Of all values.
    scale : float
        Standard deviation of the gradients.
    part : float
        The limit as a part of the norm.
    """

    shapes: tuple[tuple[int, ...], ...]
    seed: int
    scale: float
    part: float

    def check(self, subject: Subject, record: Recorder) -> None:
        """Compare with the oracle."""
        random = np.random.default_rng(self.seed)
        grads = [(self.scale * random.standard_normal(shape)).astype(subject.dtype) for shape in self.shapes]
        limit = self.part * float(np.sqrt(sum(np.sum(grad.astype(np.float64) ** 2) for grad in grads)))
        subject.judge(answers.clipping(grads, limit), subject.run_clipping(grads, limit), record)


def _array(subject: Subject, values: np.ndarray[Any, Any], layout: str) -> Array:
    """Return a backend array of that layout, or a plain one where the library has none such."""
    try:
        return laid_out(values, layout, subject.array)
    except LayoutRefused:
        return subject.array(values)


def _has_type(subject: Subject, dtype: str) -> bool:
    """Whether the library has an element type of that name."""
    try:
        return str(subject.numpy(subject.array(np.zeros(1, dtype))).dtype) == dtype
    except REFUSALS:
        return False


def _listed(returned: Any) -> list[Any]:
    if returned is None:
        return []
    return list(returned) if isinstance(returned, tuple) else [returned]


def _through(subject: Subject, layer: Any, given: list[Array], back: Array, names: tuple[str, ...]) -> Tensors:
    """Run a layer forward and backward and return all that comes out by name."""
    out = [layer.forward(*given), *_listed(layer.backward(back)), *layer.grads]
    if "dh" in names:
        out.append(layer.dh)
    return {name: subject.numpy(array) for name, array in zip(names, out, strict=True)}


#: For each kind: inputs, parameters, the output's gradient, and the names of what comes out.
_KINDS: dict[str, Callable[[Case], tuple[list[Any], list[Any], Any, tuple[str, ...]]]] = {
    "step": lambda c: (
        [c.xs[:, 0], c.h0], [c.Wx, c.Wh, c.b], c.dhs[:, 0], ("h_next", "dx", "dh_prev", "dWx", "dWh", "db")
    ),
    "block": lambda c: ([c.xs, c.h0], [c.Wx, c.Wh, c.b], c.dhs, ("hs", "dxs", "dWx", "dWh", "db", "dh")),
    "embedding": lambda c: ([c.ids], [c.embedding], c.dembedded, ("xs", "dW")),
    "affine": lambda c: ([c.dhs], [c.W, c.output_b], c.dzs, ("zs", "dxs", "dW", "db")),
}  # fmt: skip
_BUILDERS: dict[str, Callable[[Subject], Callable[..., Any]]] = {
    "step": lambda subject: subject.backend.rnn,
    "block": lambda subject: subject.backend.time_rnn,
    "embedding": lambda subject: subject.backend.time_embedding,
    "affine": lambda subject: subject.backend.time_affine,
}
_ANSWERS: dict[str, Callable[[Case], Expected]] = {
    "step": answers.step,
    "block": answers.block,
    "embedding": answers.embedding,
    "affine": answers.affine,
}
