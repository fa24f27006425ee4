"""The same bits whichever threads and blocks run first, and the oracle's values."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_probes import PROBES, complaint, run_block
from planned import spread_out

import cuda_on_host
from timernn.cupy_backend import CupyBackend
from timernn.cupy_kernels.planning import VARIANTS, Plan
from timernn_suite.conformance.support import answers
from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.harness import Subject
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.optim import SGD, Adam
from timernn_suite.lm.rnnlm import Rnnlm

#: Rows for three rounds of four in the first of two groups, and not for all of them in the second.
SIZES = Sizes(N=19, T=4, D=3, H=27, V=2)


def named(variant):
    kind = "alone" if variant.alone else "shared-out"
    return f"{kind}-{variant.width}-columns{variant.columns}-rows{variant.rows}"


@pytest.mark.parametrize(
    ("dtype", "variant"),
    [pytest.param(dtype, v, id=f"{dtype}-{named(v)}") for dtype in VARIANTS for v in VARIANTS[dtype]],
)
def test_every_variant_of_the_block_is_right_in_any_order(dtype, variant):
    plan = spread_out(variant, SIZES.N, SIZES.H)
    assert plan.row_groups == 2
    assert (plan.column_groups == 1) == variant.alone
    assert complaint(lambda dtype: run_block(plan, dtype, SIZES), dtype) is None


@pytest.mark.parametrize("strategy", ["stepwise", "graph"])
def test_a_block_by_cublas_is_right_in_any_order(strategy, dtype):
    assert complaint(lambda dtype: run_block(Plan(strategy), dtype, SIZES), dtype) is None


@pytest.mark.parametrize("sizes", [Sizes(3, 3, 5, 100, 2), Sizes(3, 3, 5, 131, 2)], ids=str)
def test_a_block_as_it_is_planned_is_right_in_any_order(kind, sizes, dtype):
    def probe(dtype):
        subject = Subject(kind(), dtype, "planned")
        case = subject.case(sizes)
        return answers.block(case), subject.run_block(case)

    assert complaint(probe, dtype) is None


def test_the_gradient_of_long_embedding_rows_is_right_in_any_order(dtype):
    """Rows longer than a block has threads are added a stretch at a time."""

    def probe(dtype):
        subject = Subject(CupyBackend(), dtype, "cupy")
        case = subject.case(Sizes(N=2, T=9, D=300, H=2, V=4))
        return answers.embedding(case), subject.run_embedding(case)

    assert complaint(probe, dtype) is None


@pytest.mark.parametrize("probe", ["embedding", "loss", "clipping", "nothing to clip", "affine", "step"])
def test_all_other_layers_are_right_in_any_order(probe, dtype):
    assert complaint(PROBES[probe], dtype) is None


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_a_model_trains_to_the_same_bits_in_any_order(kind, dtype, optimiser):
    random = np.random.default_rng(6)
    blocks = random.integers(0, 13, (4, 2, 3, 5))
    trained = []
    for order in (0, 1, 2024):
        cuda_on_host.set_order(order)
        model, updates = Rnnlm(kind(), initial_weights(13, 6, 9, seed=1, dtype=dtype)), optimiser(0.1)
        for ids, labels in blocks:
            model.forward(ids, labels)
            model.backward()
            updates.update(model, 0.5)
        trained.append({name: value.tobytes() for name, value in model.to_weights().items()})
    assert trained[0] == trained[1] == trained[2]
