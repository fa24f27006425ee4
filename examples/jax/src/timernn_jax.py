"""A timernn backend over JAX that imports nothing of timernn: a scan compiled by XLA, and the derivative of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)  # without it, float64 becomes float32 in silence


def states(xs, h, Wx, Wh, b):
    """Return the states of all times."""

    def body(h, projected):
        h = jnp.tanh(h @ Wh + projected)
        return h, h

    return jax.lax.scan(body, h, (xs @ Wx + b).swapaxes(0, 1))[1].swapaxes(0, 1)


# Each returns its result, and what takes a gradient of the result to those of the arguments.
step = jax.jit(partial(jax.vjp, lambda x, h, Wx, Wh, b: jnp.tanh(h @ Wh + x @ Wx + b)))
block = jax.jit(partial(jax.vjp, states))
pull = jax.jit(lambda back, gradient: back(gradient))
done = jax.block_until_ready  # work is done when a call returns, so that whoever times it times all of it


def checked(name, value, *shape, dtype=None):
    """Return the array if type and shape are right; None in ``shape`` takes any size of 1 or more."""
    if not isinstance(value, jax.Array):
        raise TypeError(f"{name}: must be a jax.Array, got {type(value).__name__}")
    allowed = (dtype,) if dtype else (jnp.float32, jnp.float64)
    if value.dtype not in allowed:
        raise TypeError(f"{name}: dtype must be one of {allowed}, got {value.dtype}")
    if value.ndim != len(shape) or any(g < 1 or s not in (None, g) for g, s in zip(value.shape, shape, strict=True)):
        raise ValueError(f"{name}: shape must be {shape} with every size at least 1, got {value.shape}")
    return value


class Recurrent:
    """What the two layers share. Arrays of JAX never change, so that nothing needs to be copied."""

    def __init__(self, Wx, Wh, b):
        self.D, self.H = checked("Wx", Wx, None, None).shape
        self.dtype = Wx.dtype
        self.params = [Wx, checked("Wh", Wh, self.H, self.H, dtype=Wx.dtype), checked("b", b, self.H, dtype=Wx.dtype)]
        self.grads, self._back = [jnp.zeros_like(param) for param in self.params], None

    def back(self, name, gradient):
        if self._back is None:
            raise RuntimeError(f"{type(self).__name__}.backward: call forward first")
        shape, back = self._back
        dx, dh, *self.grads[:] = done(pull(back, checked(name, gradient, *shape, dtype=self.dtype)))
        return dx, dh


class RNN(Recurrent):
    def forward(self, x, h_prev):
        checked("x", x, None, self.D, dtype=self.dtype)
        checked("h_prev", h_prev, len(x), self.H, dtype=self.dtype)
        h_next, back = done(step(x, h_prev, *self.params))
        self._back = (h_next.shape, back)
        return h_next

    def backward(self, dh_next):
        return self.back("dh_next", dh_next)


class TimeRNN(Recurrent):
    def __init__(self, Wx, Wh, b, stateful):
        super().__init__(Wx, Wh, b)
        self.stateful, self._last, self._given, self.dh = stateful, None, None, None

    h = property(lambda self: self._last if self._given is None else self._given)

    def set_state(self, h):
        self._given = checked("h", h, None, self.H, dtype=self.dtype)

    def reset_state(self):
        self._last = self._given = None

    def forward(self, xs):
        checked("xs", xs, None, None, self.D, dtype=self.dtype)
        h = self.h if self.stateful or self._given is not None else None
        if h is not None and len(h) != len(xs):
            raise ValueError(f"xs: batch size must be {len(h)}, got {len(xs)}; call reset_state or set_state")
        h = jnp.zeros((len(xs), self.H), self.dtype) if h is None else h
        hs, back = done(block(xs, h, *self.params))
        self._back, self._last, self._given = (hs.shape, back), hs[:, -1], None
        return hs

    def backward(self, dhs):
        dxs, self.dh = self.back("dhs", dhs)
        return dxs


class JaxBackend:
    """The backend; whatever it doesn't have, timernn completes."""

    name = "jax"

    def asarray(self, data, dtype=None):
        array = np.array(data, dtype=dtype)
        return jnp.array(array.astype(array.dtype.newbyteorder("=")))

    def to_numpy(self, array):
        return np.array(array)

    def describe(self):
        return {"library": "jax", "version": jax.__version__, "device": str(jax.devices()[0])}

    def rnn(self, Wx, Wh, b):
        return RNN(Wx, Wh, b)

    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        return TimeRNN(Wx, Wh, b, stateful)
