"""What the tests of the yardstick share: the Penn Treebank, where it is to be had, and scorecards made by hand."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from timernn_suite.check import Document, Limits, Outcome, Scorecard, Selection
from timernn_suite.corpus.cache import cache_folder
from timernn_suite.corpus.ptb import ptb_status


@pytest.fixture(scope="session")
def ptb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the Penn Treebank text: from TIMERNN_DATA, where it must be, or from the user's cache."""
    data = os.environ.get("TIMERNN_DATA")
    # With TIMERNN_DATA set, an empty cache: the text has to be where the variable says.
    statuses = ptb_status(data, tmp_path_factory.mktemp("empty") if data else cache_folder())
    bad = [status.expected.name for status in statuses if not status.ok]
    if bad and data:
        pytest.fail(f"TIMERNN_DATA is set, but its folder has no sound {', '.join(bad)}")
    paths = [status.path for status in statuses if status.path is not None]
    if bad or not paths:
        pytest.skip("needs the Penn Treebank text: set TIMERNN_DATA to a folder that holds it")
    return paths[0].parent


HOSTILE = "<script>document.title = 'taken'</script>"
STACK = "CRASH(SIGSEGV): the process died, in\nmine/kernel.py:12 in forward\nsupport/harness.py:59 in forward"


@pytest.fixture
def document() -> Document:
    """Return the document of a backend that passes, and of one with every outcome there is, whose texts are hostile."""
    sound = [
        Outcome("test_contract.py::test_can_run_here[sound]", "passed", 0.25),
        Outcome("test_values.py::test_time_rnn[sound-float32]", "passed", 1.5, scores={"hs": 2.0, "dxs": 4.5}),
        Outcome("test_values.py::test_time_rnn[sound-float64]", "passed", 0.5, scores={"hs": 3.0, "dxs": 1.0}),
        Outcome("test_language_model.py::test_on_ptb[sound]", "skipped", 0.0, "needs the text"),
    ]
    faulty = [
        Outcome("test_contract.py::test_can_run_here[faulty]", "passed", 0.25),
        Outcome(
            "test_values.py::test_time_rnn[faulty]",
            "failed",
            1.0,
            f"wrong: hs; right: dxs\nhs: s = 12, and {HOSTILE}",
            {"hs": 12.0, "dxs": 1.0, "dh": math.inf},
        ),
        Outcome("test_values.py::test_rnn_step[faulty]", "crashed", 0.5, STACK),
        Outcome("test_state.py::test_reset_state_forgets[faulty]", "known failure", 0.1, f"not yet {HOSTILE}"),
        Outcome("test_state.py::test_state_is_copied[faulty]", "hung", 10.0, "HANG: no end after 10 s"),
        Outcome("test_layout.py::test_views[faulty]", "out of memory", 2.0, "OOM: it held more than 512 MiB"),
        Outcome("test_errors.py::test_ranks[faulty]", "flooded", 1.0, "FLOOD: it printed more than 2 MiB"),
        Outcome("test_language_model.py::test_on_ptb[faulty]", "skipped", 0.0, "needs the text"),
        Outcome("test_threads.py::test_two[faulty]", "not run", message="the check ended before it"),
    ]
    described = {"name": HOSTILE, "dtypes": ["float32"], "describe": {"library": HOSTILE, "parts": [1]}, "from": None}
    return Document(
        [
            Scorecard("sound", sound, 3.5, Limits(), Selection(), described | {"name": "sound", "from": "outside 1.0"}),
            Scorecard(HOSTILE, faulty, 15.0, Limits(test_seconds=10.0), Selection("not slow"), described),
        ],
        {"timernn": "0.1.0", "date": "2026-01-31T12:00:00+00:00", "processor": "an abacus"},
    )
