"""What hypothesis draws the generated cases from; each list begins with what a failing case should shrink to."""

from __future__ import annotations

from hypothesis import strategies as st

from timernn_suite.conformance.support.cases import Sizes
from timernn_suite.conformance.support.generated import Clipping, Layer, Loss, NotFinite
from timernn_suite.conformance.support.layouts import LAYOUTS
from timernn_suite.conformance.support.sequences import Backward, Forward, Refused, ResetState, Sequence, SetState

# 1, primes, D < H and D > H, times beyond any usual truncation; few enough that a library that compiles for
# each shape meets most of them again.
_sizes = st.builds(
    Sizes,
    N=st.sampled_from([1, 2, 3, 5]),
    T=st.sampled_from([1, 2, 3, 7, 37]),
    D=st.sampled_from([1, 2, 3, 11]),
    H=st.sampled_from([1, 2, 5, 13]),
    V=st.sampled_from([1, 2, 5, 23]),
)
_seeds = st.integers(0, 2**32 - 1)
_layouts = st.lists(st.sampled_from(list(LAYOUTS)), min_size=1, max_size=4).map(tuple)

layers = st.builds(
    Layer,
    kind=st.sampled_from(["block", "step", "embedding", "affine"]),
    sizes=_sizes,
    seed=_seeds,
    gain=st.sampled_from([1.0, 0.5, 1.3]),
    layouts=_layouts,
)


@st.composite
def losses(draw: st.DrawFn, *, outside: bool) -> Loss:
    """Draw softmax with loss: labels that fit their type, and one out of range if that is asked for.

    Those are a kind of their own, so that a backend that can't look at its labels can say so of them alone.
    """
    sizes = draw(_sizes)
    label_type = draw(st.sampled_from(["int64", "int32", "int16", "int8", "uint8"]))
    lowest = 0 if label_type.startswith("u") else -3
    labels = st.integers(lowest, sizes.V + 2)
    ignore_label = draw(labels)
    wrong = labels.filter(lambda label: label != ignore_label and not 0 <= label < sizes.V)
    return Loss(
        sizes=sizes,
        seed=draw(_seeds),
        scale=draw(st.sampled_from([1.0, 0.01, 30.0, 1000.0])),
        ignored=draw(st.sampled_from([0.0, 0.3, 1.0])),
        ignore_label=ignore_label,
        dloss=draw(st.sampled_from([1.0, -1.0, 0.1, 1024.0])),
        label_type=label_type,
        outside=draw(wrong) if outside else None,
        layouts=(draw(st.sampled_from(list(LAYOUTS))), draw(st.sampled_from(list(LAYOUTS)))),
    )


not_finite = st.builds(
    NotFinite,
    sizes=_sizes,
    seed=_seeds,
    value=st.sampled_from(["nan", "inf", "-inf"]),
    where=st.sampled_from(["xs", "h0", "dhs"]),
)
clippings = st.builds(
    Clipping,
    shapes=st.lists(
        st.lists(st.sampled_from([1, 2, 7]), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4
    ).map(tuple),
    seed=_seeds,
    scale=st.sampled_from([1.0, 1e-6, 1e6]),
    part=st.sampled_from([0.5, 0.001, 0.9999, 1.0001, 1000.0]),
)
_rows = st.sampled_from([1, 2, 3])
_small = st.integers(0, 99)
_forwards = st.builds(Forward, N=_rows, T=st.sampled_from([1, 2, 4]), seed=_small)
_calls = st.one_of(
    _forwards,
    _forwards,  # twice: most of what can go wrong needs more than one
    st.builds(Backward, seed=_small),
    st.builds(SetState, N=_rows, seed=_small),
    st.just(ResetState()),
    st.builds(Refused, what=st.sampled_from(["xs", "dhs", "h"]), seed=_small),
)
sequences = st.builds(
    Sequence,
    D=st.sampled_from([1, 3]),
    H=st.sampled_from([1, 2, 5]),
    stateful=st.booleans(),
    # Long ones too: lists tend to be short, and shrink to the shortest that is allowed.
    calls=(st.lists(_calls, min_size=1, max_size=8) | st.lists(_calls, min_size=9, max_size=20)).map(tuple),
)
