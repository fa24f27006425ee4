"""Which backends a run judges, where both the suite's conftest and a plugin that listens can find them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from timernn.contract import Backend


@dataclass(frozen=True)
class Judged:
    """A backend that is judged in this run, or the reason why it is skipped, or fails if it is ``broken``."""

    name: str
    backend: Backend | None
    reason: str | None
    broken: bool = False


#: In pytest's configuration, once the suite's tests are collected.
JUDGED = pytest.StashKey[list[Judged]]()
