"""A backend as an outsider writes it who installs nothing of ours: two factories over NumPy, nothing imported."""

import numpy as np


def checked(name, value, *shape, dtype=None):
    """Return a copy in the machine's byte order; None in ``shape`` takes any size of 1 or more."""
    allowed = (dtype,) if dtype else ("float32", "float64")
    if not isinstance(value, np.ndarray) or value.dtype.name not in allowed:
        raise TypeError(f"{name}: must be an array of {' or '.join(allowed)}")
    fits = value.ndim == len(shape) and all(
        got > 0 and need in (None, got) for got, need in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: shape must be {shape}, got {value.shape}")
    return np.array(value, dtype=value.dtype.name, order="C")


class Block:
    """The block of T steps; the single step is one of a single time."""

    def __init__(self, Wx, Wh, b, stateful=False):
        self.D, self.H = checked("Wx", Wx, None, None).shape
        self.dtype = Wx.dtype.name
        checked("Wh", Wh, self.H, self.H, dtype=self.dtype)
        checked("b", b, self.H, dtype=self.dtype)
        self.params, self.stateful = [Wx, Wh, b], stateful
        self.grads = [np.zeros(param.shape, self.dtype) for param in self.params]
        self._last = self._given = self._seen = self._dh = None

    h = property(lambda self: np.copy(held) if (held := self._held()) is not None else None)
    dh = property(lambda self: None if self._dh is None else self._dh.copy())

    def _held(self):
        return self._given if self._given is not None else self._last

    def set_state(self, h):
        self._given = checked("h", h, None, self.H, dtype=self.dtype)

    def reset_state(self):
        self._last = self._given = None

    def forward(self, xs):
        xs = checked("xs", xs, None, None, self.D, dtype=self.dtype)
        h = self._held() if self.stateful or self._given is not None else None
        if h is not None and len(h) != len(xs):
            raise ValueError(f"xs: batch size must be {len(h)}, got {len(xs)}; call reset_state or set_state")
        states = [np.zeros((len(xs), self.H), self.dtype) if h is None else h]
        Wx, Wh, b = (np.array(param, self.dtype) for param in self.params)
        with np.errstate(all="ignore"):
            for t in range(xs.shape[1]):
                states.append(np.tanh(states[-1] @ Wh + xs[:, t] @ Wx + b))
        self._seen, self._last, self._given = (xs, states), states[-1], None
        return np.stack(states[1:], axis=1)

    def backward(self, dhs):
        if self._seen is None:
            raise RuntimeError("call forward first")
        xs, states = self._seen
        dhs = checked("dhs", dhs, *xs.shape[:2], self.H, dtype=self.dtype)
        Wx, Wh, _ = (np.array(param, self.dtype) for param in self.params)
        dxs, dh = np.empty_like(xs), 0
        dWx, dWh, db = (np.zeros(param.shape, self.dtype) for param in self.params)
        with np.errstate(all="ignore"):
            for t in reversed(range(xs.shape[1])):
                dz = (dhs[:, t] + dh) * (1 - states[t + 1] ** 2)
                dxs[:, t], dh = dz @ Wx.T, dz @ Wh.T
                dWx += xs[:, t].T @ dz
                dWh += states[t].T @ dz
                db += dz.sum(axis=0)
        self.grads[:], self._dh = (dWx, dWh, db), dh
        return dxs


class Step(Block):
    """The single step."""

    def forward(self, x, h_prev):
        x = checked("x", x, None, self.D, dtype=self.dtype)
        self.set_state(checked("h_prev", h_prev, len(x), self.H, dtype=self.dtype))
        return super().forward(x[:, None])[:, 0]

    def backward(self, dh_next):
        rows = None if self._seen is None else len(self._seen[0])
        dh_next = checked("dh_next", dh_next, rows, self.H, dtype=self.dtype)
        return super().backward(dh_next[:, None])[:, 0], self.dh


class MinimalBackend:
    """All that an outsider must write."""

    def rnn(self, Wx, Wh, b):
        return Step(Wx, Wh, b)

    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        return Block(Wx, Wh, b, stateful)
