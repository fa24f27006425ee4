"""A timernn backend over PyTorch that imports nothing of timernn: kernels of torch forward, autograd backward."""

import numpy as np
import torch


def checked(name, value, *shape, dtype=None, integer=False):
    """Return the tensor if type and shape are right; None in ``shape`` takes any size of 1 or more."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name}: must be a torch.Tensor, got {type(value).__name__}")
    allowed = (dtype,) if dtype else (torch.float32, torch.float64)
    is_integer = not value.is_floating_point() and not value.is_complex() and value.dtype != torch.bool
    if (integer and not is_integer) or (not integer and value.dtype not in allowed):
        raise TypeError(f"{name}: dtype must be {'an integer' if integer else allowed}, got {value.dtype}")
    if value.ndim != len(shape) or any(g < 1 or s not in (None, g) for g, s in zip(value.shape, shape, strict=True)):
        raise ValueError(f"{name}: shape must be {shape} with every size at least 1, got {tuple(value.shape)}")
    return value


class Layer:
    """Runs ``compute`` on copies that autograd follows, and reads the gradients off it."""

    def __init__(self, *params):
        self.params, self.grads, self._graph = list(params), [torch.zeros_like(param) for param in params], None
        self.dtype = params[0].dtype if params else None

    def run(self, compute, *inputs):
        leaves = [value.detach().clone().requires_grad_() for value in (*inputs, *self.params)]
        out = compute(*leaves)
        self._graph = (leaves, out, len(inputs))
        return out.detach().clone()

    def back(self, name, grad):
        if self._graph is None:
            raise RuntimeError(f"{type(self).__name__}.backward: call forward first")
        leaves, out, count = self._graph
        checked(name, grad, *out.shape, dtype=out.dtype)
        found = torch.autograd.grad(out, leaves, grad, retain_graph=True)
        self.grads[:] = found[count:]
        return found[:count]


class Recurrent(Layer):
    def __init__(self, Wx, Wh, b):
        self.D, self.H = checked("Wx", Wx, None, None).shape
        checked("Wh", Wh, self.H, self.H, dtype=Wx.dtype)
        super().__init__(Wx, Wh, checked("b", b, self.H, dtype=Wx.dtype))

    @staticmethod
    def compute(xs, h, Wx, Wh, b):
        weights = [Wx.T.contiguous(), Wh.T.contiguous(), b, torch.zeros_like(b)]
        return torch.rnn_tanh(xs, h[None], weights, True, 1, 0.0, False, False, True)[0]


class RNN(Recurrent):
    def forward(self, x, h_prev):
        checked("x", x, None, self.D, dtype=self.dtype)
        checked("h_prev", h_prev, len(x), self.H, dtype=self.dtype)
        return self.run(lambda x, h, *params: self.compute(x[:, None], h, *params)[:, 0], x, h_prev)

    def backward(self, dh_next):
        return self.back("dh_next", dh_next)


class TimeRNN(Recurrent):
    def __init__(self, Wx, Wh, b, stateful):
        super().__init__(Wx, Wh, b)
        self.stateful, self._last, self._given, self._dh = stateful, None, None, None

    h = property(lambda self: None if self._held() is None else self._held().clone())
    dh = property(lambda self: None if self._dh is None else self._dh.clone())

    def _held(self):
        return self._last if self._given is None else self._given

    def set_state(self, h):
        self._given = checked("h", h, None, self.H, dtype=self.dtype).clone()

    def reset_state(self):
        self._last = self._given = None

    def forward(self, xs):
        checked("xs", xs, None, None, self.D, dtype=self.dtype)
        h = self._held() if self.stateful or self._given is not None else None
        if h is not None and len(h) != len(xs):
            raise ValueError(f"xs: batch size must be {len(h)}, got {len(xs)}; call reset_state or set_state")
        hs = self.run(self.compute, xs, torch.zeros(len(xs), self.H, dtype=self.dtype) if h is None else h)
        self._last, self._given = hs[:, -1].clone(), None
        return hs

    def backward(self, dhs):
        dxs, self._dh = self.back("dhs", dhs)
        return dxs


class TorchBackend:
    """The backend: arrays on the CPU; whatever it doesn't have, timernn completes."""

    name = "torch"

    def asarray(self, data, dtype=None):
        array = np.array(data, dtype=dtype)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))

    def to_numpy(self, array):
        return array.detach().numpy().copy() if isinstance(array, torch.Tensor) else np.asarray(array)

    def describe(self):
        return {"library": "torch", "version": torch.__version__, "threads": torch.get_num_threads(), "device": "cpu"}

    def rnn(self, Wx, Wh, b):
        return RNN(Wx, Wh, b)

    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        return TimeRNN(Wx, Wh, b, stateful)
