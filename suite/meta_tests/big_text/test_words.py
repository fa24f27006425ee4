"""Words from a stream: the same however the text is cut into blocks, with every odd byte refused or treated."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timernn_suite.corpus import CorpusError
from timernn_suite.corpus.stream import compressed
from timernn_suite.corpus.stream.words import LONGEST_WORD, Span, read_words


def words_of(path, errors="strict", **bounds):
    return [word for words in read_words(Span(path, **bounds), errors) for word in words]


def by_lines(text):
    """Return the words by the rule as it is written, on the whole text at once."""
    lines = text.removeprefix("\ufeff").split("\n")
    closed = [[*line.split(), "<eos>"] for line in lines]
    if not lines[-1].split():
        closed.pop()
    return ["<unk>" if len(word) > LONGEST_WORD else word for line in closed for word in line]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.sampled_from("ab \n\r\té日𝄞\u2028\u0085\x1f\ufeff"), max_size=40),
    block=st.integers(1, 7),
)
def test_words_do_not_depend_on_the_blocks(write_text, text, block):
    path = write_text("text.txt", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compressed, "BLOCK", block)
        found = words_of(path)
    assert found == by_lines(text)


@pytest.mark.parametrize("block", [1, 100, LONGEST_WORD + 1, 1 << 20])
def test_an_overlong_word_is_unk_wherever_blocks_end(write_text, monkeypatch, block):
    monkeypatch.setattr(compressed, "BLOCK", block)
    longest, longer = "x" * LONGEST_WORD, "y" * (LONGEST_WORD + 1)
    found = words_of(write_text("text.txt", f"a {longer} {longest}\n{longer * 9}\n{longer}"))
    assert found == ["a", "<unk>", longest, "<eos>", "<unk>", "<eos>", "<unk>", "<eos>"]


@pytest.mark.parametrize("piece", [b"x", b"long" * 20 + b" ", "日".encode()])
def test_a_line_of_12_megabytes_takes_the_memory_of_one_of_4(tmp_path, piece):
    path = tmp_path / "line.txt"
    peaks = []
    for size in (4_000_000, 12_000_000):
        path.write_bytes(piece * (size // len(piece)))
        tracemalloc.start()
        try:
            tokens = sum(map(len, read_words(Span(path), "strict")))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert tokens == (size // len(piece) + 1 if piece.endswith(b" ") else 2)
    assert peaks[1] < 1.1 * peaks[0]


def test_windows_line_ends_and_byte_order_mark_are_no_words(write_text):
    assert words_of(write_text("dos.txt", b"\xef\xbb\xbfa b\r\nc\r\n")) == ["a", "b", "<eos>", "c", "<eos>"]


def test_a_blank_line_is_an_eos_and_a_last_line_needs_no_newline(write_text):
    assert words_of(write_text("text.txt", "a\n\nb")) == ["a", "<eos>", "<eos>", "b", "<eos>"]


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "offset", "byte"),
    [
        (b"caf\xe9 ol\xe9\n", 3, "e9"),
        ("日本".encode() + b"\xff", 6, "ff"),
        ("日".encode() + "本".encode()[:2], 3, "e6"),
        (b"\xff\xfea\0", 0, "ff"),
        (b"ab c\0d", 4, "00"),
    ],
)
def test_bytes_that_are_no_text_are_located(write_text, monkeypatch, content, offset, byte, block):
    monkeypatch.setattr(compressed, "BLOCK", block)
    with pytest.raises(CorpusError, match=rf"bad\.txt: byte 0x{byte} at offset {offset} is no.*--errors replace"):
        words_of(write_text("bad.txt", content))


def test_the_offset_is_that_of_the_file_where_only_a_part_is_read(write_text):
    with pytest.raises(CorpusError, match="byte 0xff at offset 9 is not UTF-8"):
        words_of(write_text("bad.txt", b"a b\nc d\ne\xff"), start=4)


@pytest.mark.parametrize("block", [1, 1 << 20])
def test_bytes_that_are_no_text_are_replaced_if_asked(write_text, monkeypatch, block):
    monkeypatch.setattr(compressed, "BLOCK", block)
    content = b"caf\xe9 a\0b\n" + "日".encode()[:2]
    assert words_of(write_text("bad.txt", content), "replace") == [
        *("caf\ufffd", "a\ufffdb", "<eos>"),
        *("\ufffd", "<eos>"),
    ]
