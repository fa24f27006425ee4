"""The same bits again: over repeats, and in two threads at once."""

import threading

from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.harness import assert_same_bits


def test_a_hundred_repeats_give_the_same_bits(subject):
    case = subject.case(Sizes(7, 35, 13, 19, 101))
    first = subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs)
    for _ in range(100):
        assert_same_bits(subject.block(subject.time_rnn(case, h0=case.h0), case.xs, case.dhs), first)


def test_repeats_of_the_time_layers_give_the_same_bits(subject):
    case = subject.case(Sizes(7, 35, 13, 19, 101))

    def once():
        embedding, affine = subject.time_embedding(case), subject.time_affine(case)
        loss = subject.backend.time_softmax_with_loss()
        subject.forward(embedding, case.ids)
        embedding.backward(subject.array(case.dembedded))
        out = {"zs": subject.forward(affine, case.dhs), "loss": subject.forward(loss, case.zs, case.ts)}
        out["dxs"] = subject.numpy(affine.backward(subject.array(case.dzs)))
        out["dzs"] = subject.numpy(loss.backward())
        for name, grad in zip(("dE", "dW", "db"), (*embedding.grads, *affine.grads), strict=True):
            out[name] = subject.numpy(grad)
        return out

    first = once()
    for _ in range(30):
        assert_same_bits(once(), first)


def test_two_layers_in_two_threads_equal_one_after_the_other(subject):
    cases = [subject.case(Sizes(7, 35, 13, 19, 101), seed=seed) for seed in (0, 1)]

    def work(case, out):
        layer = subject.time_rnn(case, stateful=True)
        out.extend(subject.block(layer, case.xs, case.dhs) for _ in range(10))

    serial = [[], []]
    for case, out in zip(cases, serial, strict=True):
        work(case, out)
    parallel = [[], []]
    threads = [threading.Thread(target=work, args=pair) for pair in zip(cases, parallel, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, want in zip(parallel, serial, strict=True):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert_same_bits(one, other)


def test_what_is_read_is_what_was_computed(subject):
    """Where work is queued, reading a result waits for it: a second look, later, finds nothing new."""
    case = subject.case(Sizes(7, 35, 13, 19, 101))
    layer = subject.time_rnn(case, h0=case.h0)
    hs = layer.forward(subject.array(case.xs))
    dxs = layer.backward(subject.array(case.dhs))
    results = {"hs": hs, "dxs": dxs, "dh": layer.dh, "dWh": layer.grads[1]}
    at_once = {name: subject.numpy(array) for name, array in results.items()}
    subject.backend.synchronize()
    assert_same_bits({name: subject.numpy(array) for name, array in results.items()}, at_once)
