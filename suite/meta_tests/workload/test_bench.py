"""The arithmetic behind a benchmark's figures, on measurements made up so that the answers are known."""

from __future__ import annotations

import json
import math

import pytest

from timernn_suite.speed import Block, Comparison, Measurement
from timernn_suite.speed.bench import Bench, beside, fastest, limit_of, times_limit
from timernn_suite.speed.bench_text import failures, markdown
from timernn_suite.speed.limit import FLOPS, LIMIT, gflops_per_second, limit_milliseconds
from timernn_suite.speed.shapes import BLOCKS, STEPS, Step, shape_named

SQUARE = Block("square", 4, 8, 16, 16)  # 6·4·8·(16² + 16²) = 98,304 operations


def compared(shape=SQUARE, **rounds) -> Comparison:
    measured = {name.replace("peer_", "peer:"): values for name, values in rounds.items()}
    return Comparison(
        shape,
        tuple(
            Measurement(name, error=values) if isinstance(values, str) else Measurement(name, rounds=tuple(values))
            for name, values in measured.items()
        ),
    )


def test_the_limit_is_the_shapes_products_at_the_rate_of_the_large_one():
    assert SQUARE.flops == 98_304
    assert limit_milliseconds(FLOPS, 7.5) == 7.5
    assert limit_milliseconds(FLOPS // 2, 7.5) == 3.75
    assert gflops_per_second(2.0) == pytest.approx(2 * 1024**3 / 2e-3 / 1e9)
    of_product = FLOPS / SQUARE.flops  # milliseconds at which the shape's limit is one
    comparison = compared(numpy=[3, 8, 5], limit=[of_product, 4 * of_product, 2 * of_product])
    assert limit_of(comparison) == pytest.approx((2, 1, 4))
    assert times_limit(comparison, "numpy") == pytest.approx((2.5, 2, 3))  # 3/1, 8/4, 5/2, and not 5/2, 3/4, 8/1


def test_speeds_are_compared_round_by_round_and_with_the_fastest_peer():
    comparison = compared(numpy=[2, 1, 4], peer_torch=[4, 4, 4], peer_jax=[3, 3, 20])
    assert fastest(comparison, ["peer:torch", "peer:jax"]) == "peer:jax"
    assert beside(comparison, "numpy", ["peer:torch", "peer:jax"]) == pytest.approx((3, 1.5, 5))
    assert beside(comparison, "numpy", ["peer:torch"]) == pytest.approx((2, 1, 4))
    assert beside(comparison, "numpy", []) is None


def test_a_failed_implementation_has_no_ratio_and_is_never_the_fastest():
    comparison = compared(numpy=[2, 2], peer_torch="SIGSEGV", peer_jax=[4, 4])
    assert fastest(comparison, ["peer:torch"]) is None
    assert fastest(comparison, ["peer:torch", "peer:jax"]) == "peer:jax"
    assert beside(comparison, "peer:torch", ["peer:jax"]) is None
    assert times_limit(comparison, "numpy") is None  # the limit wasn't measured
    assert math.isnan(comparison.of("peer:torch").milliseconds)


def bench() -> Bench:
    step = Step("step", 1, 1, 1, 1)
    product = FLOPS / SQUARE.flops
    comparisons = [
        compared(numpy=[2], numba=[1], peer_torch=[4], peer_jax=[8], limit=[product]),  # 4
        compared(Block("b", 1, 1, 1, 1), numpy=[3], numba=[6], peer_torch=[9], peer_jax=[1.5], limit=[1]),  # 0.5
        compared(Block("c", 2, 1, 1, 1), numpy=[1], numba="it died", peer_torch=[4], peer_jax=[5], limit=[1]),  # 4
        compared(step, numpy=[1], numba=[1], peer_torch=[1000], peer_jax=[1000], limit=[1]),  # no block
    ]
    return Bench(comparisons, ["numpy", "numba"], ["peer:torch", "peer:jax"])


def test_the_summary_is_of_the_best_backend_and_the_best_peer_of_each_block():
    summary = bench().summary()
    assert summary == {"blocks": 3, "geometric_mean": pytest.approx(2), "smallest": 0.5, "smallest_on": "b"}
    alone = Bench([compared(numpy=[1], limit=[1])], ["numpy"], [])
    assert alone.summary() is None


def test_the_record_has_every_figure_and_is_json_that_anyone_can_read():
    record = json.loads(json.dumps(bench().as_record(), allow_nan=False))
    shape = record["shapes"]["square"]
    assert LIMIT not in shape["measurements"]
    assert shape["limit"]["milliseconds"] == pytest.approx(1, rel=1e-3)
    assert shape["best_peer"] == "peer:torch"
    assert shape["measurements"]["numba"]["times_limit"] == pytest.approx([1, 1, 1])
    assert shape["measurements"]["numba"]["times_as_fast_as_best_peer"] == [4, 4, 4]
    assert record["shapes"]["c"]["measurements"]["numba"] == {"error": "it died"}


def test_the_text_marks_the_fastest_and_names_what_failed():
    text = markdown(bench(), {})
    assert "geometric mean 2.00×, smallest 0.50× (b)" in text
    rows = [line for line in text.splitlines() if line.startswith("| square")]
    assert [row for row in rows if "**" in row] == [row for row in rows if "**numba**" in row] != []
    assert failures(bench()) == ["numba on c: it died"]


@pytest.mark.parametrize("shape", [*BLOCKS, *STEPS], ids=lambda shape: shape.name)
def test_a_shape_is_found_by_its_name(shape):
    assert shape_named(shape.name) is shape


def test_a_shape_of_any_sizes_can_be_given():
    assert shape_named("3,4,5,6") == Block("3,4,5,6", 3, 4, 5, 6)


@pytest.mark.parametrize("text", ["", "square", "1,2,3", "1,2,3,0", "1,2,3,-4", "1,2,3,4,5", "1,2,3,x"])
def test_what_is_no_shape_is_refused_with_those_that_there_are(text):
    with pytest.raises(ValueError, match="'toy model'"):
        shape_named(text)
