"""Compressed text gives the corpus of the plain text; a damaged archive is an error that names it."""

from __future__ import annotations

import gzip
import lzma
import random
import sys

import pytest

from timernn_suite.corpus import load_corpus
from timernn_suite.corpus.stream import compressed

TEXT = "".join(" ".join(random.Random(n).choices("abcdefgh", k=12)) + "\n" for n in range(2000)).encode()


def zstd(data):
    library = pytest.importorskip("zstandard", reason="needs the library zstandard")
    half = len(data) // 2
    return library.compress(data[:half]) + library.compress(data[half:])  # two frames, as appending makes them


COMPRESS = {".gz": lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]), ".xz": lzma.compress, ".zst": zstd}


@pytest.fixture(params=COMPRESS)
def archive(request):
    return f"text.txt{request.param}", COMPRESS[request.param](TEXT)


@pytest.mark.parametrize("block", [100, 1 << 20])
def test_it_gives_the_corpus_of_the_plain_text(write_text, add, archive, monkeypatch, block):
    monkeypatch.setattr(compressed, "BLOCK", block)
    plain = add(write_text("plain.txt", TEXT))
    packed = add(write_text(*archive))
    assert (plain["name"], packed["name"]) == ("plain", "text")
    assert packed["sha256"] == plain["sha256"]
    for split in ("train", "valid", "test"):
        assert getattr(load_corpus("text"), split).tolist() == getattr(load_corpus("plain"), split).tolist()


@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_an_archive_that_is_cut_short_is_refused(write_text, refused, archive, kept):
    name, data = archive
    message = refused(write_text(name, data[: int(kept * len(data))]))
    assert f"{name}: ends too early" in message


def test_an_archive_with_a_wrong_byte_is_refused(write_text, refused, archive):
    name, data = archive
    middle = len(data) // 2
    message = refused(
        write_text(name, data[:middle] + bytes(b ^ 0x5A for b in data[middle : middle + 40]) + data[middle + 40 :])
    )
    assert f"{name}: damaged" in message


def test_a_plain_file_with_an_archives_name_is_refused(write_text, refused, archive):
    name, _ = archive
    assert f"{name}: damaged, or not what its name says" in refused(write_text(name, TEXT))


def test_without_the_library_a_zst_file_is_refused_with_what_to_install(write_text, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    message = refused(write_text("text.txt.zst", b"anything"))
    assert "text.txt.zst: a .zst file needs the library zstandard: pip install 'timernn[zstd]'" in message
