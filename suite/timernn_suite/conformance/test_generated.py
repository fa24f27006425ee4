"""Generated cases: any sizes, layouts, labels, places of NaN, and orders of calls; a failure is shrunk, and code."""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from timernn_suite.conformance.support import strategies
from timernn_suite.conformance.support.generated import replayable

#: What is drawn, and the part of all cases that it gets.
KINDS = {
    "a_layer": (strategies.layers, 0.3),
    "a_sequence_of_calls": (strategies.sequences, 0.2),
    "a_loss": (strategies.losses(outside=False), 0.25),
    "a_label_out_of_range": (strategies.losses(outside=True), 0.05),
    "a_place_that_is_not_finite": (strategies.not_finite, 0.15),
    "a_clipping": (strategies.clippings, 0.05),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_case_holds(subject, kind, request, record_property):
    strategy, share = KINDS[kind]
    wanted = max(1, round(share * request.config.getoption("--rnn-cases")))
    largest, done = {}, 0

    def record(name, score):
        largest[name] = max(score, largest.get(name, 0.0))

    @seed(request.config.getoption("--rnn-seed"))
    @settings(
        max_examples=wanted,
        phases=(Phase.generate, Phase.shrink),
        database=None,  # a failure is repeated by its code
        report_multiple_bugs=False,  # of two, one with its code is better than both without
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategy)
    def check(case):
        nonlocal done
        done += 1
        with replayable(subject, case):
            case.check(subject, record)

    try:
        check()
        assert done >= wanted, "fewer cases were drawn than were asked for"
    finally:
        record_property("cases", done)
        for name, score in largest.items():
            record_property(name, score)
