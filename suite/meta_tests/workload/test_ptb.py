"""The Penn Treebank: how it is looked for, on made-up bytes; and what comes of it, where it is to be had."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pooch
import pytest

from timernn_suite.corpus import CorpusError, load_corpus, ptb
from timernn_suite.corpus.ptb import FILES, URL, PinnedFile, fetch_ptb, find_ptb, ptb_status

CONTENTS = {
    "train": b" one two <unk> \n two N \n",
    "valid": b" N one \n",
    "test": b" two \n one \n",
}


@pytest.fixture
def stand_in(monkeypatch):
    """Pin other bytes than the real ones, so that the search can be tested without the text; returns a writer."""
    for split, content in CONTENTS.items():
        pinned = PinnedFile(f"ptb.{split}.txt", len(content), hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(FILES, split, pinned)

    def put(folder, *splits):
        folder.mkdir(parents=True, exist_ok=True)
        for split in splits or CONTENTS:
            (folder / f"ptb.{split}.txt").write_bytes(CONTENTS[split])
        return folder

    return put


@pytest.fixture
def public(monkeypatch):
    """Let downloads work, without a network; returns the list of the addresses that were asked for."""
    asked = []

    def retrieve(url, known_hash, fname, path, progressbar):
        asked.append(url)
        split = fname.split(".")[1]
        assert known_hash == f"sha256:{FILES[split].sha256}"
        (Path(path) / fname).write_bytes(CONTENTS[split])
        return str(Path(path) / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return asked


def names(folder):
    return {split: folder / f"ptb.{split}.txt" for split in CONTENTS}


@pytest.mark.parametrize("below", [".", "ptb"])
@pytest.mark.parametrize("by", ["argument", "variable"])
def test_the_text_is_found_in_a_given_folder(stand_in, tmp_path, monkeypatch, below, by):
    folder = stand_in(tmp_path / "data" / below)
    if by == "variable":
        monkeypatch.setenv("TIMERNN_DATA", str(tmp_path / "data"))

    assert find_ptb(tmp_path / "data" if by == "argument" else None, download=False) == names(folder)


def test_the_argument_goes_before_the_variable(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("TIMERNN_DATA", str(stand_in(tmp_path / "variable")))

    assert find_ptb(stand_in(tmp_path / "argument")) == names(tmp_path / "argument")


def test_the_text_is_found_in_the_cache(stand_in, isolated, tmp_path):
    stand_in(isolated / "ptb")
    other = stand_in(tmp_path / "other" / "ptb")

    assert find_ptb(download=False) == names(isolated / "ptb")
    assert find_ptb(cache=tmp_path / "other", download=False) == names(other)


@pytest.mark.parametrize("data", ["nothing-here", "a-file"])
def test_a_folder_without_the_text_is_passed_over_for_the_cache(stand_in, isolated, tmp_path, data):
    (tmp_path / "a-file").touch()
    stand_in(isolated / "ptb")

    assert find_ptb(tmp_path / data, download=False) == names(isolated / "ptb")


def test_what_is_nowhere_is_downloaded_into_the_cache_once(stand_in, isolated, public):
    stand_in(isolated / "ptb", "valid")

    assert find_ptb() == names(isolated / "ptb")
    assert public == [f"{URL}ptb.train.txt", f"{URL}ptb.test.txt"]
    assert fetch_ptb() == names(isolated / "ptb")
    assert len(public) == 2


def test_a_damaged_download_is_fetched_again(stand_in, isolated, public):
    stand_in(isolated / "ptb")
    (isolated / "ptb" / "ptb.train.txt").write_bytes(b"half")

    assert fetch_ptb() == names(isolated / "ptb")
    assert public == [f"{URL}ptb.train.txt"]
    assert all(status.ok for status in ptb_status())


def test_a_cache_that_cannot_be_written_to_gets_no_download(stand_in, public, write_text):
    with pytest.warns(RuntimeWarning, match="a-file.*can't be written to"):
        paths = fetch_ptb(write_text("a-file", "") / "cache")

    assert {split: path.read_bytes() for split, path in paths.items()} == CONTENTS


def test_a_copy_with_other_bytes_is_refused_with_both_hashes_and_sizes(stand_in, tmp_path, public):
    folder = stand_in(tmp_path / "data")
    (folder / "ptb.valid.txt").write_bytes(b" N on")
    with pytest.raises(CorpusError) as raised:
        find_ptb(tmp_path / "data")

    message = str(raised.value)
    assert str(folder / "ptb.valid.txt") in message
    assert f"It has 5 bytes and sha256 {hashlib.sha256(b' N on').hexdigest()}" in message
    assert f"expected 8 bytes and {FILES['valid'].sha256}" in message
    assert public == []  # a given copy that is wrong is never silently replaced by another


@pytest.mark.parametrize("download", [True, False])
def test_a_text_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for_and_what_to_do(
    stand_in, isolated, tmp_path, download
):
    with pytest.raises(CorpusError) as raised:
        load_corpus("ptb", data=tmp_path / "data", download=download)

    message = str(raised.value)
    for path in (tmp_path / "data" / "ptb", tmp_path / "data", isolated / "ptb"):
        assert f"{path / 'ptb.train.txt'}: not there" in message
    assert f"{URL}ptb.train.txt: {'no network in tests' if download else 'not tried, downloads are off'}" in message
    assert f"Put ptb.train.txt, ptb.valid.txt and ptb.test.txt into {isolated / 'ptb'}," in message
    assert "set TIMERNN_DATA (or --data)" in message
    assert "https://github.com/tomsercu/lstm" in message
    assert "LDC99T42" in message


def test_a_damaged_download_without_a_network_is_in_the_message(stand_in, isolated):
    stand_in(isolated / "ptb")
    (isolated / "ptb" / "ptb.train.txt").write_bytes(b"half")
    with pytest.raises(CorpusError, match="It has 4 bytes and sha256"):
        find_ptb()


def test_other_bytes_at_the_public_address_are_refused(stand_in, monkeypatch):
    def retrieve(*_args, **_options):
        raise ValueError("SHA256 hash of downloaded file does not match")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(CorpusError, match=r"ptb\.train\.txt: SHA256 hash of downloaded file does not match"):
        fetch_ptb()


def test_the_status_tells_absent_wrong_and_right_apart(stand_in, isolated, tmp_path):
    stand_in(tmp_path / "data", "train")
    stand_in(isolated / "ptb", "valid")
    (isolated / "ptb" / "ptb.valid.txt").write_bytes(b"other")
    train, valid, test = ptb_status(tmp_path / "data")

    assert (train.ok, train.path, train.bytes) == (True, tmp_path / "data" / "ptb.train.txt", 24)
    assert (valid.ok, valid.path, valid.bytes) == (False, isolated / "ptb" / "ptb.valid.txt", 5)
    assert (test.ok, test.path, test.bytes, test.sha256) == (False, None, None, None)
    assert test.expected.name == "ptb.test.txt"


def test_the_stand_in_loads_with_every_word_kept(stand_in, tmp_path):
    corpus = load_corpus("ptb", data=stand_in(tmp_path))

    assert corpus.vocabulary.words == ("one", "two", "<unk>", "<eos>", "N")
    assert corpus.train.tolist() == [0, 1, 2, 3, 1, 4, 3]


@pytest.fixture(scope="module")
def corpus(ptb_folder, tmp_path_factory):
    return load_corpus("ptb", data=ptb_folder, cache=tmp_path_factory.mktemp("ptb-cache"), download=False)


def test_the_real_text_has_the_literatures_counts(corpus):
    assert len(corpus.vocabulary) == 10_000
    assert [len(split) for split in (corpus.train, corpus.valid, corpus.test)] == [929_589, 73_760, 82_430]
    eos, unk = corpus.vocabulary.eos_id, corpus.vocabulary.unk_id
    splits = (corpus.train, corpus.valid, corpus.test)
    assert [int((split == eos).sum()) for split in splits] == [42_068, 3_370, 3_761]
    assert [int((split == unk).sum()) for split in splits] == [45_020, 3_485, 4_794]


def test_the_first_thousand_real_tokens_have_418_types(corpus):
    """The chapter-5 run's vocabulary; with ids by first occurrence it is the largest id plus one."""
    assert int(corpus.train[:1000].max()) + 1 == len(np.unique(corpus.train[:1000])) == 418


def test_real_ids_are_by_first_occurrence(corpus):
    first = np.unique(corpus.train, return_index=True)[1]

    assert len(first) == 10_000
    assert (np.diff(first) > 0).all()


def test_the_real_text_can_be_made_again_from_its_ids(corpus):
    """By hash: a failure must not print the text."""
    sentences = " ".join(corpus.vocabulary.decode(corpus.valid)).split("<eos>")
    lines = "".join(f" {sentence.strip()} \n" for sentence in sentences[:-1])

    assert sentences[-1] == ""
    assert hashlib.sha256(lines.encode()).hexdigest() == FILES["valid"].sha256


def test_the_real_description_has_the_pinned_hashes(corpus):
    described = corpus.describe()

    assert described["sha256"] == {split: file.sha256 for split, file in ptb.FILES.items()}
    assert described["name"] == "ptb"
    assert "/" not in json.dumps(described)


def test_a_truncated_real_copy_is_refused(ptb_folder, tmp_path):
    shutil.copytree(ptb_folder, tmp_path / "data")
    train = tmp_path / "data" / "ptb.train.txt"
    train.chmod(0o644)
    with train.open("r+b") as file:
        file.truncate(2_875_392)
    with pytest.raises(
        CorpusError, match=r"ptb\.train\.txt: not the text .* 2,875,392 bytes .*expected 5,101,618 bytes"
    ):
        load_corpus("ptb", data=tmp_path / "data")
