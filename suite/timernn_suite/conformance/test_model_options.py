"""Every option of the language model on the backend's layers: tied weights, masks, stacks, averages."""

import numpy as np
import pytest

from timernn_suite.conformance.support.models import OPTIONS, N, T, V, block, weights
from timernn_suite.lm.optim import SGD, Adam, Average
from timernn_suite.lm.options import Options
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.rnnlm import Rnnlm

every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


@every_option
def test_the_same_seed_gives_the_same_loss_and_evaluation_drops_nothing(subject, options):
    values = weights(subject.dtype, options)
    one, same, other = (Rnnlm(subject.backend, values, options, seed=seed) for seed in (7, 7, 8))
    first = [float(subject.numpy(one.forward(*block()))) for _ in range(2)]
    assert [float(subject.numpy(same.forward(*block()))) for _ in range(2)] == first
    drops = any(name.endswith("dropout") and value > 0 for name, value in vars(options).items())
    assert (float(subject.numpy(other.forward(*block()))) != first[0]) == drops
    text = np.random.default_rng(9).integers(0, V, 40)
    assert evaluate(one, text, 0).nll == evaluate(other, text, 0).nll


def test_tied_weights_are_one_array_through_training(subject):
    options = OPTIONS["tied"]
    for optimiser in (SGD(0.5), Adam(0.05)):
        model = Rnnlm(subject.backend, weights(subject.dtype, options), options)
        for seed in (1, 2):
            model.forward(*block(seed))
            model.backward()
            optimiser.update(model, 1.0)
        model.predict(block()[0])
        embedding, output = subject.numpy(model.embedding.params[0]), subject.numpy(model.output.params[0])
        np.testing.assert_array_equal(output, embedding.T)


def test_dropped_recurrent_weights_are_whole_again_after_the_block(subject):
    options = OPTIONS["recurrent dropout"]
    values = weights(subject.dtype, options)
    model = Rnnlm(subject.backend, values, options)
    model.forward(*block())
    assert not np.array_equal(subject.numpy(model.recurrent.params[1]), values["Wh"])
    np.testing.assert_array_equal(model.to_weights()["Wh"], values["Wh"])
    model.backward()
    np.testing.assert_array_equal(subject.numpy(model.recurrent.params[1]), values["Wh"])


def test_one_mask_serves_all_times_of_a_block(subject):
    """With the same word at every time and no recurrence, what is dropped at one time is dropped at all."""
    options = Options(embedding_dropout=0.5)
    values = weights(subject.dtype, options)
    values["Wh"] = np.zeros_like(values["Wh"])
    model = Rnnlm(subject.backend, values, options)
    ids = np.full((N, T), 3)
    model.forward(ids, ids)
    hs = model.recurrent.h
    model.reset_state()
    zs = subject.numpy(model._scores(ids))
    assert hs is not None
    np.testing.assert_array_equal(zs, np.repeat(zs[:, :1], T, axis=1))
    assert not np.array_equal(zs[0], zs[1])  # but each stream has a mask of its own


def test_the_mean_of_the_weights_is_that_of_the_steps(subject):
    model, average, seen = Rnnlm(subject.backend, weights(subject.dtype, Options())), Average(), []
    optimiser = SGD(0.5)
    for seed in range(4):
        model.forward(*block(seed))
        model.backward()
        optimiser.update(model)
        average.update(model)
        seen.append(model.to_weights())
    mean = average.of(model).to_weights()
    for name, value in mean.items():
        expected = np.mean([each[name].astype(np.float64) for each in seen], axis=0)
        # Four roundings of numbers no larger than those that are averaged.
        scale = max(np.abs(each[name]).max() for each in seen)
        np.testing.assert_allclose(value, expected, rtol=0, atol=8 * np.finfo(subject.dtype).eps * scale)
