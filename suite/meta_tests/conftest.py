"""What the tests of the yardstick share: the Penn Treebank, where it is to be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
