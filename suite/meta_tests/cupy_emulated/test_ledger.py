"""What a training step asks of the device: no wait, no new memory, and these launches and no other."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import cupy as cp
import numpy as np
import pytest
from planned import KINDS, Planned, spread_out

from cuda_on_host import Record, ledger
from timernn.cupy_backend import CupyBackend, CupyGraphBackend, CupyPersistentBackend, CupyStepwiseBackend
from timernn.cupy_kernels.planning import VARIANTS
from timernn_suite.conformance.support.cases import Sizes, draw
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD, Adam
from timernn_suite.lm.rnnlm import Rnnlm

N, T, D, H, V = 3, 4, 5, 7, 23
PARAMETERS, CLIPPED = 6, 0.5
OPTIMISERS = {"sgd": SGD, "adam": Adam}

#: Of one training step, whatever the strategy. The recurrent block is apart.
AROUND_THE_BLOCK = {
    "cupy_copy__int64_int64": 1,  # the embedding keeps its ids
    "gather_rows": 1,
    "join_inputs": 1,  # of the output layer
    "stack_bias": 1,
    "softmax_rows": 1,
    "mean_loss": 1,
    "softmax_backward": 1,
    "sum_rows_by_id": 1,
    "sum_squares": 1,
    "clipping_scale": 1,
    "scale_gradients": 1,
}
OUTPUT_PRODUCTS = 3  # scores; the gradients of inputs and of weights with their bias
#: Of one block forward and backward.
LOOP = {"tanh_step": T, "slope_step": T}
BLOCK = {
    "stepwise": {"join_inputs": 1, "keep_states": 1} | LOOP,
    "graph": {"join_inputs": 1, "keep_states": 1},
    "persistent": {"join_inputs": 1, "block_forward": 1, "block_backward": 1},
    "by shape": {"join_inputs": 1, "block_forward": 1, "block_backward": 1},
}
#: Products outside of the loop: the inputs' projection; the gradients of inputs, and of both weights and the bias.
OUTSIDE_OF_THE_LOOP = 3
LOOP_PRODUCTS = 2 * T - 1
#: Where cuBLAS makes the steps, dh_prev is one product more.
BLOCK_PRODUCTS = {"stepwise": OUTSIDE_OF_THE_LOOP + 1 + LOOP_PRODUCTS, "graph": OUTSIDE_OF_THE_LOOP + 1}
#: Bytes that go from array to array: the gradients that are changed in place, and what a graph reads its state from.
BLOCK_COPIES = {"stepwise": (1, N * T * H), "graph": (2, N * T * H + N * H)}


def gemm(dtype):
    return {"float32": "cublasSgemm_v2", "float64": "cublasDgemm_v2"}[dtype]


def training_step(kind, dtype, optimiser):
    """Return a function that takes one step on ids and labels, all brought to the device for it."""
    model = Rnnlm(kind(), initial_weights(V, D, H, seed=1, dtype=dtype))
    updates = OPTIMISERS[optimiser](0.1)
    random = np.random.default_rng(2)
    ids, labels = random.integers(0, V, (2, N, T))

    def step():
        loss = model.forward(ids, labels)
        model.backward()
        updates.update(model, CLIPPED)
        return loss

    return step


def recorded(what, warm=3) -> Record:
    for _ in range(warm):
        what()
    with ledger.recording() as record:
        what()
    return record


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("strategy", KINDS)
def test_a_training_step_is_these_launches_and_no_other(strategy, dtype, optimiser):
    record = recorded(training_step(KINDS[strategy], dtype, optimiser))
    copies, elements = BLOCK_COPIES.get(strategy, (0, 0))
    products = OUTPUT_PRODUCTS + BLOCK_PRODUCTS.get(strategy, OUTSIDE_OF_THE_LOOP)
    by_graph = strategy == "graph"
    itemsize = np.dtype(dtype).itemsize
    expected = Record(
        launches=Counter(AROUND_THE_BLOCK) + Counter(BLOCK[strategy]) + Counter({optimiser: PARAMETERS}),
        blas=Counter({gemm(dtype): products}),
        memsets=Counter({"async": 1}),  # the embedding's gradient
        copies=Counter({"H2D async": 2}) + Counter({"D2D async": copies}),
        copied_bytes=Counter({"H2D": 2 * N * T * 8}) + Counter({"D2D": elements * itemsize}),
        graphs=Counter({"launch": 2} if by_graph else {}),
        graph_kernels=Counter(LOOP if by_graph else {}),
        graph_blas=Counter({gemm(dtype): LOOP_PRODUCTS} if by_graph else {}),
    )
    assert str(record) == str(expected)  # no wait, no allocation, no compilation: what isn't named is 0
    assert record == expected


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_nothing_is_waited_for_allocated_or_read_back_in_ten_steps(kind, dtype, optimiser):
    step = training_step(kind, dtype, optimiser)

    def ten_steps():
        for _ in range(10):
            step()

    record = recorded(ten_steps, warm=1)
    assert record.synchronisations.total() == 0
    assert record.allocations.total() == record.frees.total() == 0
    assert not [way for way in record.copies if way.startswith("D2H")]
    assert record.copies["H2D async"] == 2 * 10
    assert record.copied_bytes["H2D"] == 2 * 10 * N * T * 8


def test_ids_of_32_bits_cost_conversions_and_no_wait(kind):
    model = Rnnlm(kind(), initial_weights(V, D, H, seed=1))
    ids = np.zeros((N, T), np.int32)

    def step():
        model.forward(ids, ids)
        model.backward()

    record = recorded(step)
    assert record.launches["cupy_copy__int32_int64"] > 0
    assert record.copied_bytes["H2D"] == 2 * N * T * 4
    assert record.synchronisations.total() == record.allocations.total() == 0


def test_reading_the_loss_is_one_copy_that_is_waited_for(kind):
    step = training_step(kind, "float32", "sgd")
    loss = step()
    with ledger.recording() as record:
        kind().to_numpy(loss)
    assert record.copied_bytes == {"D2H": 4}
    assert record.copies.total() == record.synchronisations["stream"] == 1
    assert record.launches.total() == 0


def test_a_new_batch_size_allocates_and_the_next_of_it_does_not(kind):
    """Were nothing ever counted, nothing would ever be allocated."""
    model = Rnnlm(kind(), initial_weights(V, D, H, seed=1))
    cp.get_default_memory_pool().free_all_blocks()

    def step():
        ids = np.zeros((64, 33), int)
        model.forward(ids, ids)
        model.backward()

    with ledger.recording() as first:
        step()
    assert first.allocations["device"] > 0
    assert recorded(step, warm=1).allocations.total() == 0


# -- one block, by its length ----------------------------------------------------------------------


def block_record(backend, dtype, length):
    case = draw(Sizes(N, length, D, H, 2), dtype)
    layer = backend.time_rnn(*map(backend.asarray, (case.Wx, case.Wh, case.b)), stateful=True)
    xs, dhs = backend.asarray(case.xs), backend.asarray(case.dhs)

    def block():
        layer.forward(xs)
        layer.backward(dhs)

    return recorded(block)


def by_the_host(record):
    """Return what the host asked for: of a graph its launch, and not what is in it."""
    inside = ("graph_kernels", "graph_blas", "copied_bytes")
    return {f.name: getattr(record, f.name) for f in fields(record) if f.name not in inside}


@pytest.mark.parametrize("kind", [CupyPersistentBackend, CupyGraphBackend, CupyBackend])
def test_launches_of_a_block_do_not_depend_on_its_length(kind, dtype):
    short, long = (block_record(kind(), dtype, length) for length in (3, 9))
    assert by_the_host(short) == by_the_host(long)
    assert short.launches.total() > 0


@pytest.mark.parametrize("length", [1, 3, 9])
def test_launches_of_a_stepwise_block_are_two_a_step_and_direction(dtype, length):
    record = block_record(CupyStepwiseBackend(), dtype, length)
    kernels = {"join_inputs": 1, "keep_states": 1, "tanh_step": length, "slope_step": length}
    assert record.launches == kernels
    assert record.blas == {gemm(dtype): OUTSIDE_OF_THE_LOOP + length + (length - 1) + 1}
    assert record.copies == {"D2D async": 1}
    assert not record.memsets
    assert not record.graphs


@pytest.mark.parametrize("length", [3, 9])
def test_a_graph_holds_the_loop_and_is_launched_once_a_direction(dtype, length):
    record = block_record(CupyGraphBackend(), dtype, length)
    assert record.graphs == {"launch": 2}
    assert record.graph_kernels == {"tanh_step": length, "slope_step": length}
    assert record.graph_blas == {gemm(dtype): length + (length - 1)}
    assert record.launches == {"join_inputs": 1, "keep_states": 1}
    assert record.blas == {gemm(dtype): OUTSIDE_OF_THE_LOOP + 1}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared out"])
def test_a_persistent_block_is_one_launch_a_direction(dtype, alone):
    variant = next(variant for variant in VARIANTS[dtype] if variant.alone == alone)
    record = block_record(Planned(spread_out(variant, N, H)), dtype, 9)
    assert record.launches == {"join_inputs": 1, "block_forward": 1, "block_backward": 1}
    assert record.blas == {gemm(dtype): OUTSIDE_OF_THE_LOOP}
    # Blocks that wait for each other count their arrivals from 0.
    assert record.memsets == ({} if alone else {"async": 2})
    assert not record.copies


def test_a_graph_is_recorded_the_second_time_a_shape_comes_and_never_again(dtype):
    case = draw(Sizes(N, T, D, H, 2), dtype)
    backend = CupyGraphBackend()
    layer = backend.time_rnn(*map(backend.asarray, (case.Wx, case.Wh, case.b)))
    xs, dhs = backend.asarray(case.xs), backend.asarray(case.dhs)
    captures = []
    for _ in range(4):
        with ledger.recording() as record:
            layer.forward(xs)
            layer.backward(dhs)
        captures.append(record.graphs["capture"])
    assert captures == [0, 2, 0, 0]


def test_a_single_step_is_these_launches_and_no_other(dtype):
    case = draw(Sizes(N, 1, D, H, 2), dtype)
    backend = CupyBackend()
    layer = backend.rnn(*map(backend.asarray, (case.Wx, case.Wh, case.b)))
    x, h, dh = (backend.asarray(array) for array in (case.xs[:, 0], case.h0, case.dhs[:, 0]))

    def step():
        layer.forward(x, h)
        layer.backward(dh)

    record = recorded(step)
    copies = {f"cupy_copy__{dtype}_{dtype}": 3}  # what backward needs is kept
    assert record.launches == {"tanh_step": 1, "through_tanh": 1, "sum_rows": 1} | copies
    assert record.blas == {gemm(dtype): 2 + 4}
    assert record.synchronisations.total() == record.allocations.total() == record.copies.total() == 0
