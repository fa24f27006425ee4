"""Faults of numbers: precision, what is not finite, softmax, sums over repeated ids, the optimisers."""

from __future__ import annotations

import numpy as np
from sound import Sound


def through(dtype, array):
    """Return the array rounded to another element type on its way."""
    return array.astype(dtype).astype(array.dtype)


class DoubleComputedInSingle(Sound):
    killed_by = "test_values.py::test_time_rnn"

    def next_state(self, h, xs, t, Wx, Wh, b):
        return through(np.float32, super().next_state(h, xs, t, Wx, Wh, b))


class HalfPrecisionInside(Sound):
    """Products are taken of numbers of 11 bits, as TF32 and float16 have them."""

    killed_by = "test_values.py::test_time_affine"

    def time_affine_forward(self, xs, *, W, b, workspace):
        zs, cache = super().time_affine_forward(
            through(np.float16, xs), W=through(np.float16, W), b=b, workspace=workspace
        )
        return zs, xs.copy() if cache is not None else None


class AnotherTypeOut(Sound):
    """float32 comes in and float64 goes out."""

    killed_by = "test_values.py::test_time_embedding"

    def time_embedding_forward(self, ids, *, W):
        return super().time_embedding_forward(ids, W=W).astype(np.float64)


class NaNSwallowed(Sound):
    killed_by = "test_numerics.py::test_what_is_not_finite_spreads_along_its_row_from_its_time_on"

    def next_state(self, h, xs, t, Wx, Wh, b):
        return np.nan_to_num(super().next_state(h, xs, t, Wx, Wh, b))


class NaNSpreads(Sound):
    """One row's NaN reaches all rows, through a factor of 0."""

    killed_by = "test_numerics.py::test_what_is_not_finite_spreads_along_its_row_from_its_time_on"

    def next_state(self, h, xs, t, Wx, Wh, b):
        return super().next_state(h, xs, t, Wx, Wh, b) + 0 * xs[:, t].sum()


class UnwrittenElements(Sound):
    """Rows of the embedding's gradient that no id names hold what was in memory before."""

    killed_by = "test_values.py::test_time_embedding"

    def time_embedding_backward(self, dxs, *, ids, V, workspace):
        dW = np.full((V, dxs.shape[2]), 7, dxs.dtype)
        sums = super().time_embedding_backward(dxs, ids=ids, V=V, workspace=workspace)
        dW[ids] = sums[ids]
        return dW


class RepeatedIdsLoseUpdates(Sound):
    killed_by = "test_values.py::test_repeated_ids_add_up"

    def time_embedding_backward(self, dxs, *, ids, V, workspace):
        dW = np.zeros((V, dxs.shape[2]), dxs.dtype)
        dW[ids] += dxs
        return dW


class SoftmaxWithoutShift(Sound):
    killed_by = "test_values.py::test_a_common_offset_of_all_scores_changes_nothing"

    def time_softmax_with_loss_forward(self, zs, ts, **rest):
        _, (_, counts, is_label, divisor, shape) = super().time_softmax_with_loss_forward(zs, ts, **rest)
        exponentials = np.exp(zs.reshape(-1, zs.shape[2]))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[is_label]).sum() / divisor
        return loss, (probabilities, counts, is_label, divisor, shape)


class ConstantInsideTheLogarithm(Sound):
    killed_by = "test_values.py::test_a_likely_label_has_the_loss_of_a_tiny_probability_gap"

    def time_softmax_with_loss_forward(self, zs, ts, **rest):
        _, cache = super().time_softmax_with_loss_forward(zs, ts, **rest)
        probabilities, _, is_label, divisor, _ = cache
        return -np.log(probabilities[is_label] + zs.dtype.type(1e-7)).sum() / divisor, cache


class IgnoredLabelsCount(Sound):
    """The mean is taken over all positions, ignored ones included."""

    killed_by = "test_values.py::test_time_softmax_with_loss"

    def time_softmax_with_loss_forward(self, zs, ts, **rest):
        loss, (probabilities, counts, is_label, divisor, shape) = super().time_softmax_with_loss_forward(zs, ts, **rest)
        every = zs.dtype.type(ts.size)
        return loss * divisor / every, (probabilities, counts, is_label, every, shape)


class IgnoredLabelIsTheLastClass(Sound):
    """Label -1 picks the last column's gradient."""

    killed_by = "test_values.py::test_time_softmax_with_loss"

    def time_softmax_with_loss_backward(self, dloss, *, cache):
        counts, divisor = cache[1], cache[3]
        dzs = super().time_softmax_with_loss_backward(dloss, cache=cache)
        dzs.reshape(-1, dzs.shape[2])[~counts[:, 0], -1] -= dloss / divisor
        return dzs


class NarrowLabelsOverflow(Sound):
    """Where a label's score lies is counted in the labels' own type, which may be of one byte."""

    killed_by = "test_generated.py::test_any_case_holds"
    no_law = "no fixed test has labels of one byte, and what is generated is not run on the other mutants"

    def time_softmax_with_loss_forward(self, zs, ts, *, ignore_label, **rest):
        V, flat = zs.shape[2], ts.reshape(-1)
        rows = np.arange(len(flat))
        places = rows.astype(flat.dtype) * flat.dtype.type(V) + flat
        found = ((places.astype(np.int64) - rows * V) % V).reshape(ts.shape)
        ts = np.where(ts == ignore_label, ts, found)
        return super().time_softmax_with_loss_forward(zs, ts, ignore_label=ignore_label, **rest)


class LossNotScaledBack(Sound):
    killed_by = "test_values.py::test_the_loss_is_scaled_back"

    def time_softmax_with_loss_backward(self, dloss, *, cache):
        return super().time_softmax_with_loss_backward(1.0, cache=cache)


class BackwardNotIdempotent(Sound):
    """The label's 1 is taken off the kept probabilities, again at every call."""

    killed_by = "test_state.py::test_backward_of_the_loss_twice_gives_the_same_bits"

    def time_softmax_with_loss_backward(self, dloss, *, cache):
        dzs = super().time_softmax_with_loss_backward(dloss, cache=cache)
        cache[0][cache[2]] -= 1
        return dzs


class ClippingEachForItself(Sound):
    killed_by = "test_optimisers.py::test_clipping_scales_all_gradients_by_their_common_norm"

    def clip_gradients(self, grads, max_norm):
        _, norm = super().clip_gradients(grads, max_norm)
        return [super(ClippingEachForItself, self).clip_gradients([grad], max_norm)[0][0] for grad in grads], norm


class ClippedNormReported(Sound):
    """The norm is told as it is after clipping."""

    killed_by = "test_optimisers.py::test_clipping_scales_all_gradients_by_their_common_norm"

    def clip_gradients(self, grads, max_norm):
        clipped, norm = super().clip_gradients(grads, max_norm)
        return clipped, min(norm, max_norm)


class AdamWithoutCorrection(Sound):
    killed_by = "test_optimisers.py::test_adam_follows_the_paper"

    def adam_update(self, param, grad, m, v, *, learning_rate, beta1, beta2, epsilon, step):
        rates = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        return super().adam_update(param, grad, m, v, step=10**9, **rates)
