"""The gradients of the language model as a whole, with every option, against differences of its loss."""

import numpy as np
import pytest

from timernn_suite.conformance.support.models import OPTIONS, block, weights
from timernn_suite.lm.rnnlm import Rnnlm

#: Differences in float32 would show less than those in float64.
ELEMENT_TYPES = ("float64",)


def loss_at(subject, options, values):
    """Return the loss of a new model with the same masks, whatever its weights."""
    model = Rnnlm(subject.backend, values, options, seed=7)
    return float(subject.numpy(model.forward(*block())))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_gradients_are_the_slopes_of_the_loss(subject, options):
    """Differences by extrapolation; the measure is how far two extrapolations of other steps are apart."""
    values = weights(subject.dtype, options)
    model = Rnnlm(subject.backend, values, options, seed=7)
    model.forward(*block())
    model.backward()
    gradients = [subject.numpy(layer.grads[index]) for layer, index in model.parameters()]
    assert [gradient.shape for gradient in gradients] == [values[name].shape for name in options.weight_names]
    for name, gradient in zip(options.weight_names, gradients, strict=True):
        direction = np.random.default_rng(8).standard_normal(gradient.shape)
        direction /= np.linalg.norm(direction)

        def slope(step, name=name, direction=direction):
            ahead, behind = (values | {name: values[name] + sign * step * direction} for sign in (1, -1))
            return (loss_at(subject, options, ahead) - loss_at(subject, options, behind)) / (2 * step)

        def extrapolated(step, slope=slope):
            return (4 * slope(step / 2) - slope(step)) / 3

        coarse, fine = extrapolated(2e-2), extrapolated(1e-2)
        # The error falls by 16 from one to the other; what is left of it, and of rounding, is less than their distance.
        allowed = abs(coarse - fine) + 1e3 * np.finfo(np.float64).eps
        assert abs(np.sum(gradient * direction) - fine) <= allowed, name
