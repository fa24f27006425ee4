"""Splits are cut at line ends, in order, and nothing is lost between them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timernn_suite.corpus import CorpusError
from timernn_suite.corpus.stream import cutting
from timernn_suite.corpus.stream.compressed import blocks
from timernn_suite.corpus.stream.cutting import cut_files


def text_of(spans):
    return b"".join(block for span in spans for block in blocks(span.path, span.start, span.stop))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("ab \n", min_size=1, max_size=30), min_size=1, max_size=4),
    shares=st.tuples(st.floats(0.01, 0.49), st.floats(0.01, 0.49)),
)
def test_the_splits_are_the_text_in_order(tmp_path, texts, shares):
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_text(text, encoding="utf-8", newline="")
    cut = {split: text_of(spans) for split, spans in cut_files(files, *shares).items()}
    whole = "".join(texts).encode()
    assert list(cut) == ["train", "valid", "test"]
    assert b"".join(cut.values()) == whole
    assert len(cut["train"]) >= len(whole) - int(len(whole) * sum(shares))


def test_a_split_begins_at_the_first_line_at_or_behind_its_share(write_text):
    lines = [f"line {number:4d}\n".encode() for number in range(100)]
    cut = cut_files([write_text("text.txt", b"".join(lines))], 0.05, 0.10)
    assert [text_of(cut[split]) for split in cut] == [
        b"".join(lines[:85]),
        b"".join(lines[85:90]),
        b"".join(lines[90:]),
    ]
    moved = cut_files([write_text("text.txt", b"".join(lines))], 0.051, 0.101)
    assert text_of(moved["train"]) == b"".join(lines[:85])
    assert text_of(moved["test"]) == b"".join(lines[90:])


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("window", [8, 1000])
def test_a_text_of_one_line_is_cut_at_blanks(write_text, monkeypatch, window, end):
    monkeypatch.setattr(cutting, "WINDOW", window)
    cut = cut_files([write_text("text.txt", "word " * 20 + end)], 0.1, 0.1)
    assert [text_of(spans).count(b"word ") for spans in cut.values()] == ([17, 2, 1] if end else [16, 2, 2])


def test_a_short_last_line_is_not_cut_in_two(write_text):
    cut = cut_files([write_text("text.txt", "a b\n" * 8 + "a b c d e f g\n")], 0.2, 0.11)
    assert [text_of(spans) for spans in cut.values()] == [b"a b\n" * 8, b"a b c d e f g\n", b""]


def test_the_end_of_a_file_is_a_line_end(write_text):
    files = [write_text(f"{number}.txt", "one two three") for number in range(10)]
    cut = cut_files(files, 0.15, 0.05)
    assert text_of(cut["train"]) == b"one two three" * 8


def test_a_text_without_any_white_space_is_refused(write_text, monkeypatch):
    monkeypatch.setattr(cutting, "WINDOW", 8)
    with pytest.raises(CorpusError, match=r"text\.txt: can't be cut: neither line end nor blank in 8 bytes from"):
        cut_files([write_text("text.txt", "x" * 1000)], 0.1, 0.1)
