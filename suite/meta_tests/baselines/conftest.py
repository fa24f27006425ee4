"""What the tests of the baselines share: a cache of their own, and small texts of which everything is known."""

from __future__ import annotations

import pytest

from timernn_suite.corpus.markov import MarkovSource
from timernn_suite.corpus.model import Corpus

TOKENS = {"train": 60_000, "valid": 4_000, "test": 4_000}


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory, monkeypatch) -> None:
    """Keep the tests off the user's cache, and off this machine's settings."""
    monkeypatch.setenv("TIMERNN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("TIMERNN_DATA", raising=False)
    monkeypatch.delenv("TIMERNN_BACKEND", raising=False)


@pytest.fixture(scope="session")
def source() -> MarkovSource:
    """Return a source of order 2 over so few types that all of its trigrams come often."""
    return MarkovSource(seed=3, types=20, classes=6)


@pytest.fixture(scope="session")
def corpus(source) -> Corpus:
    """Return a text of that source."""
    splits = {split: source.sample(tokens, split) for split, tokens in TOKENS.items()}
    hashes = dict.fromkeys(splits, "0" * 64)
    return Corpus("small", "small source", source.vocabulary, **splits, sha256=hashes, entropy_rate=source.entropy_rate)
