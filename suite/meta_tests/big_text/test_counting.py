"""Counts that went to disk are those of memory, and the vocabulary they lead to is decided by count and word alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timernn_suite.corpus.stream import counting
from timernn_suite.corpus.stream.counting import WordCounts

WORDS = st.lists(st.lists(st.text("abé日𝄞", min_size=1, max_size=3), max_size=8), max_size=30)


def vocabulary_of(folder, blocks, size=10_000, min_count=1):
    counts = WordCounts(folder)
    for block in blocks:
        counts.update(block)
    return counts.vocabulary(size, min_count).words


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=WORDS, size=st.integers(3, 20), min_count=st.integers(1, 4), in_memory=st.integers(0, 6))
def test_the_vocabulary_does_not_depend_on_what_memory_holds(tmp_path, blocks, size, min_count, in_memory):
    counted = Counter(word for block in blocks for word in block)
    ranked = sorted((word for word in counted if counted[word] >= min_count), key=lambda word: (-counted[word], word))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "TYPES_IN_MEMORY", in_memory)
        patch.setattr(counting, "_MOST_RUNS", 3)
        found = vocabulary_of(tmp_path / "counts", blocks, size, min_count)
    assert found == ("<unk>", "<eos>", *ranked[: size - 2])


def test_of_equal_counts_the_smaller_code_points_come_first_in_whatever_order_they_came(tmp_path):
    for words in (["b", "a", "é", "B"], ["é", "B", "b", "a"]):
        assert vocabulary_of(tmp_path, [words], size=5) == ("<unk>", "<eos>", "B", "a", "b")


def test_unk_and_eos_of_the_text_take_no_second_place(tmp_path):
    assert vocabulary_of(tmp_path, [["<unk>", "a", "<eos>", "<unk>"]], size=3) == ("<unk>", "<eos>", "a")


def test_no_more_files_lie_on_disk_than_a_merge_opens(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "TYPES_IN_MEMORY", 1)
    monkeypatch.setattr(counting, "_MOST_RUNS", 4)
    counts = WordCounts(tmp_path / "counts")
    for number in range(50):
        counts.update([f"a{number}", f"b{number}"])
        assert len(list((tmp_path / "counts").iterdir())) < 4
    assert len(counts.vocabulary(1000, 1)) == 102
