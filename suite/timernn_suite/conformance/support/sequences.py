"""Sequences of calls on one block, generated, and the small machine that says what each must come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import Case, Sizes, draw
from timernn_suite.conformance.support.generated import replay  # noqa: F401 - part of the code to paste
from timernn_suite.conformance.support.harness import Recorder, Subject, assert_same_bits

NumpyArray = np.ndarray[Any, Any]


class Machine:
    """What a block must remember: its whole contract about state, without arithmetic.

    The states themselves are the backend's own, to the bit; `answers.block` judges each step from one to the next.
    """

    def __init__(self, *, stateful: bool) -> None:
        self.stateful = stateful
        self.given: NumpyArray | None = None  # by set_state, for the next forward
        self.last: NumpyArray | None = None  # after the last step
        self.forwarded: Case | None = None  # what backward goes back through, its state as h0

    @property
    def h(self) -> NumpyArray | None:
        """What the block must show as its state."""
        return self.last if self.given is None else self.given

    def start(self, N: int, H: int, dtype: str) -> NumpyArray | None:
        """Return where a forward of N rows begins; None where it must be refused."""
        held = self.h if self.stateful else self.given
        if held is None:
            return np.zeros((N, H), dtype)
        return held if len(held) == N else None


@dataclass(frozen=True)
class Forward:
    """A block of N rows and T times; refused, and nothing changed, where a state of other rows is carried."""

    N: int
    T: int
    seed: int

    def __call__(self, run: _Run) -> None:
        """Do it, and compare hs with the oracle's from the state that the machine knows."""
        case = run.case(self.N, self.T, self.seed)
        start = run.machine.start(self.N, run.H, run.subject.dtype)
        if start is None:
            with pytest.raises(ValueError, match=r"\bxs\b.*reset_state"):
                run.layer.forward(run.subject.array(case.xs))
            return
        case = replace(case, h0=start)
        hs = run.subject.forward(run.layer, case.xs)
        run.subject.judge(answers.block(case), {"hs": hs}, run.record)
        run.machine.forwarded, run.machine.last, run.machine.given = case, hs[:, -1], None


@dataclass(frozen=True)
class Backward:
    """Back through the last block that went through; refused where there is none."""

    seed: int

    def __call__(self, run: _Run) -> None:
        """Do it twice, and compare all gradients with the oracle's."""
        case, layer, subject = run.machine.forwarded, run.layer, run.subject
        if case is None:
            with pytest.raises(RuntimeError, match="forward"):
                layer.backward(subject.array(run.case(2, 2, self.seed).dhs))
            return
        N, T, _ = case.xs.shape
        case = replace(case, dhs=run.case(N, T, self.seed).dhs)
        first, again = ({"dxs": subject.numpy(layer.backward(subject.array(case.dhs)))} | run.gradients() for _ in "12")
        subject.judge(answers.block(case), first, run.record)
        assert_same_bits(again, first)


@dataclass(frozen=True)
class SetState:
    """A given state of N rows."""

    N: int
    seed: int

    def __call__(self, run: _Run) -> None:
        """Do it."""
        h = run.case(self.N, 1, self.seed).h0
        run.layer.set_state(run.subject.array(h))
        run.machine.given = h


@dataclass(frozen=True)
class ResetState:
    """No state."""

    def __call__(self, run: _Run) -> None:
        """Do it."""
        run.layer.reset_state()
        run.machine.given = run.machine.last = None


@dataclass(frozen=True)
class Refused:
    """A call with a wrong argument, which must change nothing.

    Attributes
    ----------
    what : str
        ``"xs"``, ``"dhs"`` or ``"h"``: the argument with an axis too long.
    seed : int
        Of its values.
    """

    what: str
    seed: int

    def __call__(self, run: _Run) -> None:
        """Do it, and see it refused."""
        case, layer = run.case(2, 2, self.seed), run.layer
        if self.what == "dhs" and run.machine.forwarded is None:
            return
        value = np.concatenate([case.h0, case.h0], axis=1) if self.what == "h" else getattr(case, self.what)
        if self.what != "h":
            value = np.concatenate([value, value], axis=2)
        call = {"xs": layer.forward, "dhs": layer.backward, "h": layer.set_state}[self.what]
        with pytest.raises(ValueError, match=rf"\b{self.what}\b"):
            call(run.subject.array(value))


Call = Forward | Backward | SetState | ResetState | Refused


@dataclass(frozen=True)
class Sequence:
    """Calls on one block, one after the other.

    Attributes
    ----------
    D, H : int
        Input and hidden sizes.
    stateful : bool
        Of the block.
    calls : tuple of calls
        In their order.
    """

    D: int
    H: int
    stateful: bool
    calls: tuple[Call, ...]

    def check(self, subject: Subject, record: Recorder) -> None:
        """Make the calls; after each, the state that the block shows must be the machine's, to the bit."""
        run = _Run(subject, record, self)
        for call in self.calls:
            call(run)
            want, got = run.machine.h, run.layer.h
            assert (got is None) == (want is None), f"h is {got} after {call}, must be {want}"
            if want is not None:
                np.testing.assert_array_equal(subject.numpy(got), want, err_msg=f"h after {call}", strict=True)


class _Run:
    """One run of a sequence: the block, and the machine beside it."""

    def __init__(self, subject: Subject, record: Recorder, sequence: Sequence) -> None:
        self.subject, self.record = subject, record
        self.D, self.H = sequence.D, sequence.H
        self._params = self._draw(1, 1, 0)
        self.layer = subject.time_rnn(self._params, stateful=sequence.stateful)
        self.machine = Machine(stateful=sequence.stateful)

    def case(self, N: int, T: int, seed: int) -> Case:
        """Return values of those sizes with this run's parameters."""
        params = self._params
        return replace(self._draw(N, T, seed), Wx=params.Wx, Wh=params.Wh, b=params.b)

    def _draw(self, N: int, T: int, seed: int) -> Case:
        return draw(Sizes(N, T, self.D, self.H, 1), self.subject.dtype, 0.8, seed)

    def gradients(self) -> dict[str, NumpyArray]:
        """Return what the last backward left."""
        dWx, dWh, db = (self.subject.numpy(grad) for grad in self.layer.grads)
        return {"dh": self.subject.numpy(self.layer.dh), "dWx": dWx, "dWh": dWh, "db": db}
