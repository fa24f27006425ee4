"""The study of truncation: the cut gradient is that of a frozen past, and a block too short can't learn a copy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from timernn.contract import ShapeError
from timernn.registry import load_backend
from timernn_suite.corpus.load import markov_corpus
from timernn_suite.lm.initial import initial_weights
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.studies import report_files, truncation, truncation_report
from timernn_suite.studies.delayed_copy import MARKER, DelayedCopy, copy_loss
from timernn_suite.studies.truncated_gradient import NAMES, difference, gradient_errors, truncated_gradient

V, D, H, N, T = 7, 3, 5, 2, 12


@pytest.fixture(scope="module")
def backend():
    return load_backend("numpy")


@pytest.fixture
def text():
    random = np.random.default_rng(1)
    return random.integers(0, V, (N, T)), random.integers(0, V, (N, T))


@pytest.fixture
def weights():
    drawn = initial_weights(V, D, H, seed=3, dtype="float64")
    return drawn | {"embedding": 50 * drawn["embedding"]}  # else the states say hardly anything of the text


def loss_with_frozen_past(weights, ids, labels, k, changed):
    """Return the mean loss with changed recurrent weights where each block starts from the unchanged weights' state."""

    def step(w, h, t):
        return np.tanh(w["embedding"][ids[:, t]] @ w["Wx"] + h @ w["Wh"] + w["b"])

    true, h, total = np.zeros((N, H)), np.zeros((N, H)), 0.0
    for t in range(T):
        h = step(changed, true if t % k == 0 else h, t)
        true = step(weights, true, t)
        zs = h @ weights["output_W"] + weights["output_b"]
        total += np.sum(np.log(np.exp(zs).sum(axis=1)) - zs[np.arange(N), labels[:, t]])
    return total / (N * T)


@pytest.mark.parametrize("k", [1, 3, 5, T])
def test_the_cut_gradient_is_that_of_a_loss_whose_blocks_start_from_a_frozen_state(backend, weights, text, k):
    found = truncated_gradient(Rnnlm(backend, weights), *text, k)
    random = np.random.default_rng(k)
    direction = {name: random.standard_normal(weights[name].shape) for name in NAMES}
    step = 1e-30j  # a complex step has no error of its own, only rounding's
    changed = weights | {name: weights[name] + step * direction[name] for name in NAMES}
    slope = (loss_with_frozen_past(weights, *text, k, changed) / step).real
    rounding = N * T * H * V * np.finfo(float).eps
    assert math.isclose(slope, sum(np.vdot(found[name], direction[name]) for name in NAMES), rel_tol=rounding)


def test_a_block_as_long_as_the_text_gives_the_full_gradient_to_the_bit(backend, weights, text):
    model = Rnnlm(backend, weights)
    model.forward(*text)
    model.backward()
    for k in (T, T + 1):
        for name, grad in truncated_gradient(Rnnlm(backend, weights), *text, k).items():
            assert np.array_equal(grad, model.recurrent.grads[NAMES.index(name)])


def test_earlier_text_leaves_no_trace_in_the_gradient(backend, weights, text):
    model = Rnnlm(backend, weights)
    first = truncated_gradient(model, *text, 5)
    again = truncated_gradient(model, *text, 5)
    assert all(np.array_equal(first[name], again[name]) for name in NAMES)


def test_a_block_of_no_steps_is_refused(backend, weights, text):
    with pytest.raises(ValueError, match="k: must be at least 1, got 0"):
        truncated_gradient(Rnnlm(backend, weights), *text, 0)


def test_difference_knows_length_and_angle():
    east = np.array([2.0, 0.0])
    assert difference(np.array([0.0, 2.0]), east) == {"relative_error": math.sqrt(2), "cosine": 0.0}
    assert difference(3 * east, east) == {"relative_error": 2.0, "cosine": 1.0}
    assert difference(east, 0 * east) == {"relative_error": None, "cosine": None}


def test_at_full_length_the_error_is_none_and_at_one_step_there_is_one(backend, weights):
    ids = np.random.default_rng(0).integers(0, V, 200)
    one, full = gradient_errors(backend, weights, ids, N=4, T=20, blocks=(1, 20))
    assert full["all"] == {"relative_error": 0.0, "cosine": pytest.approx(1.0, abs=1e-15)}
    assert one["all"]["relative_error"] > 0.05
    assert [one["k"], full["k"]] == [1, 20]


# -- the delayed copy ----------------------------------------------------------------------------


def test_every_copy_is_its_cue_and_stands_after_the_delay():
    source = DelayedCopy(delay=6, cues=3, fillers=2, seed=4)
    ids = source.sample(4000, "train")
    markers = np.flatnonzero(ids[:-1] == MARKER)
    assert len(markers) > 300
    assert np.array_equal(ids[markers + 1], ids[markers + 1 - source.delay])
    cues = ids >= 2 + source.fillers
    assert set(ids[cues].tolist()) == {4, 5, 6}
    assert abs(2 * len(markers) - cues.sum()) <= 2  # cue and copy, and nothing else of that alphabet


def test_a_shorter_text_is_the_beginning_of_a_longer_one_and_splits_differ():
    source = DelayedCopy()
    assert np.array_equal(source.sample(300, "train"), source.sample(500, "train")[:300])
    assert not np.array_equal(source.sample(300, "train"), source.sample(300, "test"))


def test_the_entropy_rate_is_what_the_source_s_own_probabilities_come_to():
    source = DelayedCopy(delay=5, cues=3, fillers=4, seed=1)
    ids, since, nats = source.sample(60_000, "train"), 0, []
    for token in ids.tolist():
        is_cue = token >= 2 + source.fillers
        if since == 0:  # a coin, then one of an alphabet
            nats.append(math.log(2) + math.log(source.cues if is_cue else source.fillers))
        else:
            nats.append(math.log(source.fillers) if since < source.delay - 1 else 0.0)
        since = (since + 1) % (source.delay + 1) if since or is_cue else 0
    standard_error = np.std(nats) / math.sqrt(len(nats))
    assert abs(np.mean(nats) - source.entropy_rate) < 4 * standard_error


@pytest.mark.parametrize(("name", "value"), [("delay", 1), ("cues", 1), ("fillers", 0), ("seed", -1)])
def test_a_source_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: must be at least"):
        DelayedCopy(**{name: value})


def test_no_gradient_of_a_copy_reaches_its_cue_in_a_shorter_block(backend):
    source = DelayedCopy(delay=6)
    ids = source.sample(400, "train")
    copy = int(np.flatnonzero(ids[30:-1] == MARKER)[0]) + 31
    model = Rnnlm(backend, initial_weights(8, 4, 6, seed=0, dtype="float64"))
    for k in (source.delay - 1, source.delay):  # the steps that end with the one that predicts the copy
        labels = np.full((1, k), -1)
        labels[0, -1] = ids[copy]
        model.reset_state()
        model.forward(ids[None, : copy - k], ids[None, 1 : copy - k + 1])
        model.forward(ids[None, copy - k : copy], labels)
        model.backward()
        reached = np.flatnonzero(np.abs(model.embedding.grads[0]).sum(axis=1))
        assert (ids[copy] in reached) == (k == source.delay)


def test_training_learns_the_copy_with_long_blocks_and_not_with_short_ones(backend):
    settings = truncation.Settings(blocks=(3, 20), T=20, copy_epochs=2, delay=5)
    source = DelayedCopy(delay=settings.delay)
    corpus, recipe = source.corpus(), truncation.copy_recipe(settings)
    losses = {
        k: copy_loss(backend, truncation.trained(backend, recipe, corpus, k, lambda *_: None), corpus.test)
        for k in settings.blocks
    }
    copies = (corpus.test[:-1] == MARKER).sum()
    assert losses[3] > source.blind_copy_loss - 4 / math.sqrt(copies)
    assert losses[20] < 0.25 * source.blind_copy_loss


# -- the whole study -----------------------------------------------------------------------------


def test_every_block_length_sees_as_many_tokens_in_an_update():
    recipe = truncation.copy_recipe(truncation.Settings())
    for k in truncation.Settings().blocks:
        at_k = truncation.at_block_length(recipe, k)
        assert at_k.time_size == k
        assert abs(at_k.batch_size * k - recipe.batch_size * recipe.time_size) <= k / 2


def test_a_block_longer_than_the_full_length_is_refused():
    with pytest.raises(ValueError, match=r"blocks: must be lengths from 1 to T = 5, got \(1, 6\)"):
        truncation.Settings(blocks=(1, 6), T=5)


def test_a_text_too_short_for_the_full_length_is_refused_before_any_training(backend):
    told = []
    with pytest.raises(ShapeError, match="don't make one block"):
        truncation.run(
            backend, markov_corpus(), truncation.Settings(T=9000), progress=lambda what, *_: told.append(what)
        )
    assert told == []


def test_the_study_writes_a_whole_record_and_a_picture(backend, tmp_path, monkeypatch):
    monkeypatch.setattr("timernn_suite.studies.delayed_copy.TOKENS", {"train": 2_000, "valid": 500, "test": 500})
    settings = truncation.Settings(
        blocks=(1, 4), T=6, streams=3, epochs=1, copy_epochs=1, tokens=2_000, turn_seconds=0.0
    )
    told = []
    record = truncation.run(backend, markov_corpus(), settings, progress=lambda what, *_: told.append(what))
    written = report_files.write(record, tmp_path / "new", truncation_report.draw)
    assert [path.name for path in written] == ["truncation.json", "truncation.png"]
    assert json.loads(written[0].read_text(encoding="utf-8")) == record
    assert written[1].read_bytes().startswith(b"\x89PNG")
    assert record["cost"]["k"] == [1, 4, 6]
    assert all(time[0] > 0 for time in record["cost"]["microseconds_per_token"])
    assert [row["k"] for row in record["corpus"]["learnt"]] == [1, 4]
    assert all(rows[-1]["all"]["relative_error"] == 0 for rows in truncation_report.error_curves(record).values())
    assert [table.row_count for table in truncation_report.tables(record)] == [3, 3, 2]
    assert any("k = 4" in what for what in told)
