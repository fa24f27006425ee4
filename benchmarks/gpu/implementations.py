"""What device_times.py times: each way of the CuPy backend, and PyTorch's RNN, which is cuDNN's.

A name maps to a function ``(kind, sizes, dtype)`` that returns a call to be timed; nothing is imported before.
"""

import itertools

import numpy as np

#: Distinct sets of inputs, so that not every call finds its own in the cache.
SETS = 4


def inputs(N, T, D, H, dtype):
    """Return some pairs ``xs (N, T, D)``, ``dhs (N, T, H)``."""
    random = np.random.default_rng(1)
    shapes = ((N, T, D), (N, T, H))
    return [[random.standard_normal(shape).astype(dtype) for shape in shapes] for _ in range(SETS)]


def weights(D, H, dtype):
    """Return ``Wx (D, H)``, ``Wh (H, H)``, ``b (H,)``."""
    random = np.random.default_rng(0)
    scales = (((D, H), D**-0.5), ((H, H), H**-0.5), ((H,), 1.0))
    return [(random.standard_normal(shape) * scale).astype(dtype) for shape, scale in scales]


def token_ids(N, T, V):
    """Return some pairs of ids and labels ``(N, T)``."""
    random = np.random.default_rng(2)
    return [random.integers(0, V, (2, N, T)) for _ in range(SETS)]


def ours(class_name):
    """Return the builder of a backend's calls."""

    def build(kind, sizes, dtype):
        import timernn.cupy_backend as module  # noqa: PLC0415 - PyTorch's process has no need of CuPy's

        backend = ArrayByArray() if class_name == "ArrayByArray" else getattr(module, class_name)()
        return {"block": our_block, "step": our_step}[kind](backend, dtype=dtype, **sizes)

    return build


def our_block(backend, N, T, D, H, dtype):
    layer = backend.time_rnn(*map(backend.asarray, weights(D, H, dtype)), stateful=True)
    turn = itertools.cycle([[backend.asarray(part) for part in pair] for pair in inputs(N, T, D, H, dtype)])

    def once():
        xs, dhs = next(turn)
        layer.forward(xs)
        layer.backward(dhs)

    return once


def our_step(backend, N, T, H, V, dtype):
    from timernn_suite.lm.initial import initial_weights  # noqa: PLC0415
    from timernn_suite.lm.optim import SGD  # noqa: PLC0415
    from timernn_suite.lm.rnnlm import Rnnlm  # noqa: PLC0415

    model, optimiser = Rnnlm(backend, initial_weights(V, H, H, seed=0, dtype=dtype)), SGD(0.1)
    turn = itertools.cycle(token_ids(N, T, V))

    def once():
        ids, labels = next(turn)
        model.forward(ids, labels)
        model.backward()
        optimiser.update(model, 1.0)

    return once


def ArrayByArray():  # noqa: N802 - stands for a class that can't be written before CuPy is imported
    """Return the base class over CuPy's arrays, nothing overridden: what one gets by changing ``np`` to ``cp``."""
    import cupy  # noqa: PLC0415

    from timernn.base import ArrayBackend  # noqa: PLC0415

    class Backend(ArrayBackend):
        name, xp = "cupy-array-by-array", cupy

        def to_numpy(self, array):
            return cupy.asnumpy(array)

    return Backend()


def torch_calls(*, tf32=False, graphed=False):
    """Return the builder of PyTorch's calls, with the state carried and its gradient cut."""

    def build(kind, sizes, dtype):
        import torch  # noqa: PLC0415 - CuPy's processes have no need of it

        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.manual_seed(0)
        return {"block": torch_block, "step": torch_step}[kind](torch, graphed, dtype=getattr(torch, dtype), **sizes)

    return build


def torch_block(torch, graphed, N, T, D, H, dtype):
    rnn = torch.nn.RNN(D, H, batch_first=True, device="cuda", dtype=dtype)
    pairs = inputs(N, T, D, H, str(dtype).removeprefix("torch."))
    turn = itertools.cycle([[torch.from_numpy(part).cuda() for part in pair] for pair in pairs])
    state = torch.zeros(1, N, H, device="cuda", dtype=dtype)
    first = torch.zeros(N, T, D, device="cuda", dtype=dtype, requires_grad=True)
    call = torch.cuda.make_graphed_callables(rnn, (first, state)) if graphed else rnn

    def once():
        nonlocal state
        xs, dhs = next(turn)
        xs.requires_grad_().grad = None
        rnn.zero_grad(set_to_none=True)
        hs, last = call(xs, state)
        hs.backward(dhs)
        state = last.detach().clone() if graphed else last.detach()

    return once


def torch_step(torch, graphed, N, T, H, V, dtype):
    if graphed:
        raise NotImplementedError("graphs of a whole step are not tried")
    embedding = torch.nn.Embedding(V, H, device="cuda", dtype=dtype)
    rnn = torch.nn.RNN(H, H, batch_first=True, device="cuda", dtype=dtype)
    output = torch.nn.Linear(H, V, device="cuda", dtype=dtype)
    parameters = [*embedding.parameters(), *rnn.parameters(), *output.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    turn = itertools.cycle([torch.from_numpy(pair).pin_memory() for pair in token_ids(N, T, V)])
    state = torch.zeros(1, N, H, device="cuda", dtype=dtype)

    def once():
        nonlocal state
        ids, labels = next(turn).to("cuda", non_blocking=True)
        optimiser.zero_grad(set_to_none=True)
        hs, last = rnn(embedding(ids), state)
        loss = torch.nn.functional.cross_entropy(output(hs).reshape(N * T, V), labels.reshape(N * T))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        state = last.detach()

    return once


IMPLEMENTATIONS = {
    "cupy": ours("CupyBackend"),
    "cupy stepwise": ours("CupyStepwiseBackend"),
    "cupy graph": ours("CupyGraphBackend"),
    "cupy persistent": ours("CupyPersistentBackend"),
    "cupy array by array": ours("ArrayByArray"),
    "torch": torch_calls(),
    "torch graph": torch_calls(graphed=True),
    "torch TF32": torch_calls(tf32=True),
}
