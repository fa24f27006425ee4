"""The one table of shapes through pytest-benchmark, for one implementation; `run_speed.py` runs it for all.

No test here can fail for being slow: what is too slow, people judge, with a machine and its load in mind.
"""

import pytest

from timernn_suite.speed import BLOCKS, STEPS
from timernn_suite.speed.worker import build, spec_of


@pytest.mark.parametrize("shape", [*BLOCKS, *STEPS], ids=lambda shape: shape.name.replace(" ", "-"))
def test_speed(benchmark, implementation, shape):
    asked = shape.as_request()
    asked.pop("name")
    timed = build(spec_of(implementation), {**asked, "dtype": "float32"})
    timed()  # compiles
    benchmark.group = shape.name
    benchmark.extra_info.update(tokens=shape.tokens, flops=shape.flops)
    benchmark(timed)
