"""The oracle against itself: its gradients, written by hand, and complex steps through its forward functions."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from timernn_suite.conformance.support import oracle

SHAPES = [(2, 7, 3, 4), (1, 1, 1, 1), (1, 40, 2, 3), (3, 5, 6, 2), (2, 4, 2, 5)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def block(shape, gain=0.9):
    """Inputs, state, weights, bias and output gradients in float64, no two of them alike."""
    N, T, D, H = shape
    random = np.random.default_rng(shape)
    Wx, Wh, b = random.normal(size=(D, H)), gain * H**-0.5 * random.normal(size=(H, H)), random.normal(size=H)
    return random.normal(size=(N, T, D)), 0.5 * random.normal(size=(N, H)), Wx, Wh, b, random.normal(size=(N, T, H))


def assert_agree(got, want):
    """Assert that two gradients differ by 1e-13 of the largest element, or less."""
    assert got.shape == want.shape
    scale = np.abs(want).max()
    assert scale > 0
    assert np.abs(got - want).max() <= 1e-13 * scale


@every_shape
@pytest.mark.parametrize(("place", "name"), list(enumerate(("dxs", "dh", "dWx", "dWh", "db"))))
def test_every_gradient_of_a_block_is_that_of_the_complex_step(shape, place, name):
    *inputs, dhs = block(shape)

    def total(moved):
        arguments = [*inputs[:place], moved, *inputs[place + 1 :]]
        return np.sum(oracle.time_rnn_forward(*arguments)[1:].transpose(1, 0, 2) * dhs)

    assert_agree(oracle.time_rnn(*inputs, dhs)[name], oracle.complex_step(total, inputs[place]))


@every_shape
def test_a_blocks_states_are_the_recurrence_element_by_element(shape):
    xs, h0, Wx, Wh, b, _ = block(shape)
    N, T, D, H = shape
    states = oracle.time_rnn_forward(xs, h0, Wx, Wh, b)
    assert states.shape == (T + 1, N, H)
    np.testing.assert_array_equal(states[0], h0)
    for n in range(N):
        for j in range(H):
            z = sum(states[T - 1, n, i] * Wh[i, j] for i in range(H)) + sum(xs[n, -1, d] * Wx[d, j] for d in range(D))
            np.testing.assert_allclose(states[T, n, j], np.tanh(z + b[j]), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("place", "name"), [(0, "dxs"), (1, "dW"), (2, "db")])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 2, 6, 2)], ids=str)
def test_every_gradient_of_the_affine_layer_is_that_of_the_complex_step(shape, place, name):
    N, T, H, V = shape
    random = np.random.default_rng(shape)
    inputs = [random.normal(size=(N, T, H)), random.normal(size=(H, V)), random.normal(size=V)]
    dzs = random.normal(size=(N, T, V))

    def total(moved):
        xs, W, b = [*inputs[:place], moved, *inputs[place + 1 :]]
        return np.sum((np.einsum("nth,hv->ntv", xs, W) + b) * dzs)

    answer = oracle.time_affine(*inputs, dzs)
    assert_agree(answer[name], oracle.complex_step(total, inputs[place]))
    np.testing.assert_allclose(answer["zs"], np.einsum("nth,hv->ntv", *inputs[:2]) + inputs[2], rtol=1e-13)


def test_the_embeddings_gradient_is_that_of_the_complex_step():
    random = np.random.default_rng(5)
    W, ids, dxs = random.normal(size=(4, 3)), np.array([[0, 2, 2], [2, 3, 0]]), random.normal(size=(2, 3, 3))
    answer = oracle.time_embedding(W, ids, dxs)
    assert_agree(answer["dW"], oracle.complex_step(lambda moved: np.sum(moved[ids] * dxs), W))
    np.testing.assert_array_equal(answer["xs"], W[ids])
    np.testing.assert_array_equal(answer["dW"][1], 0.0)


LABELS = {
    "none ignored": (np.array([[0, 4, 2], [1, 1, 3]]), -1),
    "some ignored": (np.array([[0, -1, 4], [-1, 1, 3]]), -1),
    "all but one ignored": (np.array([[-1, -1, -1], [-1, 4, -1]]), -1),
    "a class ignored": (np.array([[0, 2, 4], [2, 1, 3]]), 2),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("dloss", [1.0, 0.3125])
def test_the_losss_gradient_is_that_of_the_complex_step(labels, dloss):
    ts, ignored = LABELS[labels]
    zs = 3.0 * np.random.default_rng(6).normal(size=(2, 3, 5))

    def loss(moved):
        return dloss * oracle.time_softmax_with_loss(moved, ts, ignored)["loss"]

    answer = oracle.time_softmax_with_loss(zs, ts, ignored, dloss)
    assert_agree(answer["dzs"], oracle.complex_step(loss, zs))
    np.testing.assert_array_equal(answer["dzs"][ts == ignored], 0.0)


@pytest.mark.parametrize("labels", LABELS)
def test_the_loss_is_the_mean_of_the_labels_that_count(labels):
    ts, ignored = LABELS[labels]
    zs = np.random.default_rng(7).normal(size=(2, 3, 5))
    probabilities = np.exp(zs) / np.exp(zs).sum(axis=2, keepdims=True)
    counted = [-np.log(probabilities[n, t, ts[n, t]]) for n, t in np.ndindex(ts.shape) if ts[n, t] != ignored]
    loss = oracle.time_softmax_with_loss(zs, ts, ignored)["loss"]
    np.testing.assert_allclose(loss, np.mean(counted), rtol=1e-13)


def test_all_labels_ignored_is_no_loss_and_no_gradient():
    answer = oracle.time_softmax_with_loss(np.ones((2, 3, 4)), np.full((2, 3), -1))
    assert float(answer["loss"]) == 0.0
    np.testing.assert_array_equal(answer["dzs"], np.zeros((2, 3, 4)))


def test_a_gap_of_a_thousand_between_scores_gives_a_loss_of_a_thousand():
    zs = np.zeros((1, 1, 3))
    zs[..., 0] = 1000.0
    answer = oracle.time_softmax_with_loss(zs, np.array([[2]]))
    assert float(answer["loss"]) == 1000.0
    np.testing.assert_array_equal(answer["dzs"].astype(np.float64), [[[1.0, 0.0, -1.0]]])


def test_the_complex_step_is_exact_where_a_difference_would_cancel():
    at = np.array([0.3, -1.7, 1e-9])
    gradient = oracle.complex_step(lambda x: np.sum(np.exp(x) * x**3), at)
    np.testing.assert_allclose(gradient, np.exp(at) * (at**3 + 3 * at**2), rtol=1e-14)


def test_no_input_is_written_to():
    """Not even one in the type that is computed in, of which no copy is taken."""
    xs, h0, Wx, Wh, b, dhs = (array.astype(np.longdouble) for array in block((2, 7, 3, 4)))
    states = oracle.time_rnn_forward(xs, h0, Wx, Wh, b)
    ids, labels = np.array([[0, 2, 1], [2, 2, 0]]), np.array([[0, -1, 1], [2, 3, 0]])
    embedding, dembedded = Wx, dhs[:, :3]
    rates = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 0.01}
    for function, arguments, settings in (
        (oracle.time_rnn_forward, (xs, h0, Wx, Wh, b), {}),
        (oracle.time_rnn_backward, (dhs, xs, states, Wx, Wh), {}),
        (oracle.time_embedding, (embedding, ids, dembedded), {}),
        (oracle.time_affine, (dhs, Wh, b, dhs), {}),
        (oracle.time_softmax_with_loss, (dembedded, labels), {}),
        (oracle.clip_gradients, ([Wx, Wh], 0.5), {}),
        (oracle.sgd_update, (Wx, Wx, 0.5), {}),
        (oracle.adam, (Wx, [Wx, Wx]), rates),
    ):
        before = copy.deepcopy(arguments)
        function(*arguments, **settings)
        for argument, value in zip(arguments, before, strict=True):
            np.testing.assert_equal(argument, value, err_msg=function.__name__)


def test_exact_means_the_machines_longest_type():
    whole, halved = oracle.EXACT.take(np.arange(3, dtype=np.float32), np.array([0.5]))
    assert whole.dtype == halved.dtype == np.longdouble
    (moved,) = oracle.EXACT.take(np.array([1.0 + 2.0j]))
    assert moved.dtype == np.clongdouble


GRADS = [np.array([[3.0, -4.0], [12.0, 0.5]]), np.array([84.0, -0.25, 2.0])]
NORM = math.sqrt(math.fsum(g * g for grad in GRADS for g in grad.flat))


@pytest.mark.parametrize("max_norm", [0.5, 40.0, 0.999 * NORM])
def test_clipping_leaves_the_direction_and_shortens_to_the_norm_that_is_allowed(max_norm):
    clipped = oracle.clip_gradients(GRADS, max_norm)
    assert clipped.pop("norm") == pytest.approx(NORM, rel=1e-15)
    assert list(clipped) == ["0", "1"]
    for got, grad in zip(clipped.values(), GRADS, strict=True):
        np.testing.assert_allclose(got.astype(np.float64), grad * (max_norm / NORM), rtol=1e-15)


@pytest.mark.parametrize("max_norm", [1.001 * NORM, 1e9])
def test_clipping_changes_nothing_within_the_norm(max_norm):
    clipped = oracle.clip_gradients(GRADS, max_norm)
    assert clipped["norm"] == pytest.approx(NORM, rel=1e-15)
    for index, grad in enumerate(GRADS):
        np.testing.assert_array_equal(clipped[str(index)], grad)


def test_clipping_nothing_but_zeros_gives_zeros():
    clipped = oracle.clip_gradients([np.zeros(3)], 0.25)
    assert float(clipped["norm"]) == 0.0
    np.testing.assert_array_equal(clipped["0"], np.zeros(3))


def test_gradient_descent_is_so_much_less_of_the_gradient():
    got = oracle.sgd_update(np.array([1.0, -2.0, 0.5]), np.array([4.0, 0.5, -3.0]), 0.375)
    np.testing.assert_array_equal(got["param"], [-0.5, -2.1875, 1.625])


def test_the_complex_step_leaves_the_real_part_where_it_is():
    at, asked = np.array([[0.0, 1.5], [-2.0, 1e-40]]), []

    def product(x):
        asked.append(x)
        return np.prod(x + 1.0)

    oracle.complex_step(product, at)
    assert len(asked) == 4
    for moved in asked:
        np.testing.assert_array_equal(moved.real, at)
        assert np.count_nonzero(moved.imag) == 1


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize(("beta1", "beta2"), [(0.8, 0.95), (0.3, 0.4)])
def test_adam_divides_the_weighted_mean_of_the_gradients_by_the_root_of_that_of_their_squares(steps, beta1, beta2):
    """Algorithm 1 without its recursion: the bias corrections make each moment a mean whose weights sum to 1."""
    rates = {"learning_rate": 0.0625, "beta1": beta1, "beta2": beta2, "epsilon": 0.01}
    random = np.random.default_rng(8)
    first, grads = random.normal(size=(2, 3)), list(random.normal(size=(steps, 2, 3)))

    def weights(beta, step):
        return [(1 - beta) * beta ** (step - i) for i in range(1, step + 1)]

    def mean(values, beta, step):
        of = weights(beta, step)
        return sum(w * value for w, value in zip(of, values, strict=False)) / sum(of)

    squares, want = [grad**2 for grad in grads], first.copy()
    for step in range(1, steps + 1):
        want -= 0.0625 * mean(grads, beta1, step) / (np.sqrt(mean(squares, beta2, step)) + 0.01)
    got = oracle.adam(first, grads, **rates)
    np.testing.assert_allclose(got["param"].astype(np.float64), want, rtol=1e-13)
    for name, values, beta in (("m", grads, beta1), ("v", squares, beta2)):
        sums = sum(w * value for w, value in zip(weights(beta, steps), values, strict=True))
        np.testing.assert_allclose(got[name].astype(np.float64), sums, rtol=1e-13, err_msg=name)


def test_adams_four_numbers_go_by_name():
    with pytest.raises(TypeError, match="positional"):
        oracle.adam(np.ones(2), [np.ones(2)], 0.1, 0.9, 0.99, 0.01)
