"""The study of gradients through time: g^j in small states, vanishing in full ones, and what clipping does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from timernn.registry import load_backend
from timernn_suite.conformance.support import oracle
from timernn_suite.conformance.support.tolerance import LIMIT, Expected
from timernn_suite.studies import gradients, gradients_report, report_files
from timernn_suite.studies.gradients import Chain, Settings, gaussian, linear_bound, orthogonal, small_scale

SETTINGS = Settings(T=60, N=3, H=20, seed=2)


@pytest.fixture(scope="module")
def backend():
    return load_backend("numpy")


@pytest.mark.parametrize("gain", Settings().gains)
def test_in_small_states_orthogonal_weights_give_the_gain_s_power(backend, gain):
    chain = Chain(backend, orthogonal(SETTINGS.H, gain, 5), SETTINGS, small_scale(gain, SETTINGS.T))
    steps = np.arange(SETTINGS.T + 1)
    off = chain.norms() / gain**steps - 1
    # Worst case of rounding in j products: γ_H each, times the norm of |Q|, at most √H (N. J. Higham, "Accuracy
    # and Stability of Numerical Algorithms", 2002, section 3.5); tanh can only shorten, by what the states say.
    rounding = steps * SETTINGS.H**1.5 * np.finfo(float).eps
    by_tanh = linear_bound(chain.states())
    assert by_tanh < 1e-6
    assert (off <= rounding).all()
    assert (off >= -by_tanh - rounding).all()


@pytest.mark.parametrize("gain", [0.8, 1.0, 1.1])
def test_in_real_states_tanh_makes_what_would_not_vanish_vanish(backend, gain):
    norms = Chain(backend, orthogonal(SETTINGS.H, gain, 5), SETTINGS, 1.0).norms()
    steps = np.arange(1, SETTINGS.T + 1)
    assert (norms[1:] < gain**steps).all()
    assert gradients.rate(norms) < 0.85 * gain


def test_blocks_of_one_step_chained_give_what_one_block_over_all_steps_gives(backend):
    chain = Chain(backend, gaussian(SETTINGS.H, 1.3, 1), SETTINGS, 1.0)
    dhs = np.zeros((SETTINGS.N, SETTINGS.T, SETTINGS.H))
    dhs[:, -1] = chain.dh_last
    h0 = np.zeros((SETTINGS.N, SETTINGS.H))
    weights = chain.layer.params
    want = Expected(lambda ar: {"dh": oracle.time_rnn(chain.xs, h0, *weights, dhs, ar)["dh"]}, "float64")
    chain.gradients(SETTINGS.T)
    assert want.score("dh", chain.layer.dh) < LIMIT
    exact = float(np.linalg.norm(want.values["dh"].astype(float)))
    allowed = LIMIT * float(np.linalg.norm(want.spread["dh"]))
    assert abs(chain.norms()[-1] - exact) < allowed


def test_the_norms_begin_at_one_and_go_back_to_the_first_state(backend):
    norms = Chain(backend, orthogonal(SETTINGS.H, 1.0, 0), SETTINGS, 1.0).norms()
    assert len(norms) == SETTINGS.T + 1
    assert norms[0] == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("radius", [0.9, 1.0, 1.1])
def test_gaussian_weights_have_the_radius_that_was_asked_for_and_follow_it_in_the_long_run(backend, radius):
    Wh = gaussian(SETTINGS.H, radius, 3)
    assert np.abs(np.linalg.eigvals(Wh)).max() == pytest.approx(radius, rel=1e-12)
    settings = Settings(T=600, N=2, H=SETTINGS.H)
    norms = Chain(backend, Wh, settings, small_scale(radius, settings.T)).norms()
    # The second eigenvalue's part dies out as |λ₂/λ₁|^j; a rate over 300 steps is off by its wobble's 300th root.
    assert gradients.rate(norms) == pytest.approx(radius, rel=2 / 300)


def test_orthogonal_weights_have_every_singular_value_at_the_gain():
    assert np.linalg.svd(orthogonal(12, 1.3, 0), compute_uv=False) == pytest.approx(1.3, rel=1e-13)


def test_a_rate_is_the_factor_of_the_second_half_and_none_where_all_is_gone():
    assert gradients.rate(np.array([1.0, 7.0, 8.0, 4.0, 2.0])) == pytest.approx(0.5)
    assert gradients.rate(np.array([1.0, 0.5, 0.0])) is None


def test_clipping_cuts_an_exploding_gradient_to_the_norm_and_keeps_its_direction(backend):
    chain = Chain(backend, orthogonal(SETTINGS.H, 1.5, 0), SETTINGS, small_scale(1.5, SETTINGS.T))
    points = gradients.clipping(backend, chain, SETTINGS)
    assert points[-1]["before"] > 1e9
    for point in points:
        assert point["after"] == pytest.approx(min(point["before"], SETTINGS.max_norm), rel=1e-12)
        assert point["cosine"] == pytest.approx(1, abs=1e-12)


def test_the_study_writes_a_whole_record_and_a_picture(backend, tmp_path):
    told = []
    settings = Settings(gains=(0.5, 1.2), radii=(1.0,), T=20, N=2, H=6)
    record = gradients.run(backend, settings, progress=lambda what, *_: told.append(what))
    assert told == ["orthogonal, 0.5", "orthogonal, 1.2", "gaussian, 1"]
    written = report_files.write(record, tmp_path, gradients_report.draw)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gradients.json", "gradients.png"]
    assert json.loads(written[0].read_text(encoding="utf-8")) == record
    assert written[1].read_bytes().startswith(b"\x89PNG")
    assert [len(entry["real"]["norms"]) for entry in record["orthogonal"]] == [21, 21]
    assert [table.row_count for table in gradients_report.tables(record)] == [3, 3]


def test_a_picture_that_fails_leaves_the_older_files_as_they_were(tmp_path):
    def fail(*_):
        raise RuntimeError("no ink")

    (tmp_path / "gradients.json").write_text("older", encoding="utf-8")
    with pytest.raises(RuntimeError, match="no ink"):
        report_files.write({"study": "gradients"}, tmp_path, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["gradients.json"]
    assert (tmp_path / "gradients.json").read_text(encoding="utf-8") == "older"
