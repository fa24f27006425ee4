"""``timernn data add``: what it makes, when it makes nothing, what it refuses, and that an interrupt leaves nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from timernn_suite.corpus import CorpusError, load_corpus
from timernn_suite.corpus.stream import encode
from timernn_suite.corpus.stream.encode import Options, add_text

SPLITS = ("train", "valid", "test")


def text(lines=400, seed=0):
    draw = random.Random(seed)
    return "".join(" ".join(draw.choices("abcdefghijklmnop", k=7, weights=range(1, 17))) + "\n" for _ in range(lines))


def by_hand(train, part, size, min_count):
    """Return the vocabulary of a text and the ids of a part, by the rule as it is written."""
    counted = Counter(train.split())
    kept = sorted((word for word in counted if counted[word] >= min_count), key=lambda word: (-counted[word], word))
    words = ["<unk>", "<eos>", *kept[: size - 2]]
    return words, [words.index(word) if word in words else 0 for word in part.replace("\n", " <eos> ").split()]


@pytest.mark.parametrize(("size", "min_count"), [(10_000, 1), (9, 1), (10_000, 180)])
def test_ids_are_those_of_the_rule(write_text, add, size, min_count):
    content = text()
    lines = content.splitlines(keepends=True)
    record = add(write_text("book.txt", content), "--vocabulary-size", size, "--min-count", min_count)
    corpus = load_corpus("book")
    assert record["tokens"] == {"train": 360 * 8, "valid": 20 * 8, "test": 20 * 8}
    for split, part in zip(SPLITS, (lines[:360], lines[360:380], lines[380:]), strict=True):
        words, ids = by_hand("".join(lines[:360]), "".join(part), size, min_count)
        assert corpus.vocabulary.words == tuple(words)
        assert getattr(corpus, split).tolist() == ids


def test_splits_are_read_only_memory_maps(write_text, add):
    add(write_text("book.txt", text()))
    for split in SPLITS:
        ids = getattr(load_corpus("book"), split)
        assert isinstance(ids, np.memmap)
        assert ids.dtype == np.uint16
        assert not ids.flags.writeable


def test_more_types_than_uint16_holds_are_uint32(write_text, add):
    content = "".join(f"w{number}\n" for number in range(80_000))
    add(write_text("wide.txt", content), "--vocabulary-size", 70_000, "--min-count", 1)
    corpus = load_corpus("wide")
    assert (corpus.train.dtype, len(corpus.vocabulary), corpus.train.max()) == (np.uint32, 70_000, 69_999)


def test_files_of_their_own_are_the_splits_and_several_files_are_one_text(write_text, add):
    train = [write_text("1.txt", "a b\nc"), write_text("2.txt", "a\n")]
    valid, test = write_text("v.txt", "c b\n"), write_text("t.txt", "a x\n")
    add(*train, "--valid", valid, "--test", test, "--min-count", 1, "--name", "three")
    corpus = load_corpus("three")
    decoded = [" ".join(corpus.vocabulary.decode(getattr(corpus, split))) for split in SPLITS]
    assert decoded == ["a b <eos> c <eos> a <eos>", "c b <eos>", "a <unk> <eos>"]


def test_the_manifest_proves_the_inputs_and_has_no_path_of_this_machine(write_text, add, tmp_path):
    path = write_text("book.txt", text())
    record = add(path, "--name", "mine")
    manifest = json.loads((Path(record["path"]) / "manifest.json").read_text(encoding="utf-8"))
    (read,) = manifest["about"]["inputs"]
    assert (read["name"], read["bytes"], len(read["sha256"])) == ("book.txt", path.stat().st_size, 64)
    assert manifest["about"]["options"]["vocabulary_size"] == 10_000
    assert manifest["files"]["train.npy"]["tokens"] == record["tokens"]["train"]
    assert str(tmp_path) not in json.dumps(manifest)


def test_the_same_text_is_found_and_not_encoded_again(write_text, add, monkeypatch):
    first = add(write_text("book.txt", text()))
    monkeypatch.setattr(encode, "build_entry", None)
    again = add(write_text("another.txt", text()), "--name", "book")
    assert (first.pop("new"), again.pop("new")) == (True, False)
    assert again == first


@pytest.mark.parametrize("change", [("--min-count", 3), ("--vocabulary-size", 5), ("--test-share", 0.1), "text"])
def test_a_name_is_not_given_to_another_corpus(write_text, add, timernn, change):
    path = write_text("book.txt", text())
    before = add(path)
    if change == "text":
        write_text("book.txt", text(seed=1))
    code, _, message = timernn("data", "add", path, *(change if change != "text" else ()))
    assert code == 2
    assert "book: holds another corpus" in message
    assert load_corpus("book").describe()["sha256"] == before["sha256"]


def test_a_damaged_corpus_is_not_used_and_adding_mends_it(write_text, add):
    path = write_text("book.txt", text())
    ids = Path(add(path)["path"]) / "valid.npy"
    content = bytearray(ids.read_bytes())
    content[-1] ^= 1
    ids.write_bytes(content)
    with pytest.raises(CorpusError, match="book: this corpus is damaged"):
        load_corpus("book")
    assert add(path)["new"] is True
    assert len(load_corpus("book").valid) == 160


def test_a_folder_of_ones_own_works_by_its_path(write_text, add, tmp_path, cache):
    record = add(write_text("book.txt", text()), "--to", tmp_path / "here")
    assert load_corpus(tmp_path / "here").describe()["sha256"] == record["sha256"]
    assert load_corpus(str(tmp_path / "here")).name == "here"
    assert not list(cache.iterdir())


def test_a_folder_that_holds_something_is_left_alone(write_text, refused, tmp_path):
    path = write_text("book.txt", text())
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "manifest.json").write_text("my own", encoding="utf-8")
    assert "here: there is something already" in refused(path, "--to", tmp_path / "here")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["manifest.json"]


def test_data_lists_what_was_added(write_text, add, timernn):
    add(write_text("book.txt", text()), "--name", "mine")
    assert json.loads(timernn("data", "--json")[1])["added"] == ["mine"]
    assert "added, for --corpus: mine" in timernn("data")[1]


def test_train_and_evaluate_take_it_by_name(write_text, add, timernn, tmp_path):
    record = add(write_text("book.txt", text()), "--name", "mine")
    recipe = write_text(
        "tiny.toml", 'corpus = "mine"\nembedding_size = 4\nhidden_size = 4\nbatch_size = 4\nepochs = 1\n'
    )
    code, said, complaints = timernn("train", "-r", recipe, "--out", tmp_path / "run", "--json")
    assert code == 0, complaints
    assert json.loads(said)["test"]["tokens"] == record["tokens"]["test"]
    code, said, complaints = timernn("evaluate", tmp_path / "run", "--json", "--corpus", "mine")
    assert code == 0, complaints
    assert json.loads(said)["sha256"] == record["sha256"]["test"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "bad.txt: has no text"),
        ("a\n", "valid: no text is left for it"),
        (" \n\n" * 99, "train: no text is left for it"),
        (b"a b\n" * 99 + b"\xe9\n", "bad.txt: byte 0xe9 at offset 396 is not UTF-8; --errors replace"),
        (b"\xe9\n" + b"a b\n" * 99, "bad.txt: byte 0xe9 at offset 0 is not UTF-8"),
        (b"a b\n" * 99 + b"a\0\n", "bad.txt: byte 0x00 at offset 397 is no text: it may be binary, or UTF-16"),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_name(write_text, refused, content, message):
    assert message in refused(write_text("bad.txt", content))


def test_an_empty_file_among_others_is_refused_by_name(write_text, refused):
    good, empty = write_text("good.txt", text()), write_text("empty.txt", "")
    assert "empty.txt: has no text" in refused(good, empty)
    assert "empty.txt: has no text" in refused(good, "--valid", good, "--test", empty)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "ptb"), "name: must be letters"),
        (("--name", "../x"), "name: must be letters"),
        (("--valid", "book.txt"), "the files of both splits or of neither"),
        (("--valid-share", "0"), "valid_share: must lie between 0 and 1, got 0.0"),
        (("--valid-share", "0.5", "--test-share", "0.5"), "leave nothing to train on"),
        (("--errors", "ignore"), "errors: must be one of strict, replace, got 'ignore'"),
        (("--vocabulary-size", "2"), "--vocabulary-size"),
        (("nowhere.txt",), "nowhere.txt: no such file"),
        ((".",), "is no regular file"),
    ],
)
def test_wrong_use_is_refused_with_the_reason(write_text, refused, arguments, message):
    assert message in refused(write_text("book.txt", text()), *arguments)


def test_a_text_that_changes_while_it_is_read_leaves_nothing(write_text, tmp_path):
    path = write_text("book.txt", text())

    def steps(step, total):
        if step == "encoding":
            write_text("book.txt", text().replace("a", "b"))
        return lambda more: None

    with pytest.raises(CorpusError, match="the text changed while it was read"):
        add_text(tmp_path / "out" / "x", {"train": [path]}, Options(), name="x", replace=False, steps=steps)
    assert not list((tmp_path / "out").iterdir())


def test_of_two_texts_added_at_once_under_one_name_the_second_is_refused(write_text, tmp_path):
    mine, theirs = write_text("mine.txt", text()), write_text("theirs.txt", text(seed=1))

    def overtaken(step, total):
        if step == "encoding":
            add_text(tmp_path / "x", {"train": [theirs]}, Options(), name="x", replace=True)
        return lambda more: None

    with pytest.raises(CorpusError, match="holds another corpus"):
        add_text(tmp_path / "x", {"train": [mine]}, Options(), name="x", replace=True, steps=overtaken)
    assert load_corpus(tmp_path / "x").source == "text theirs.txt"


def test_progress_tells_of_every_byte_of_every_step(write_text, tmp_path):
    path = write_text("book.txt", text())
    told = {}

    def steps(step, total):
        told[step] = [total, 0]

        def reading(more):
            told[step][1] += more

        return reading

    add_text(tmp_path / "x", {"train": [path]}, Options(), name="x", replace=False, steps=steps)
    size = path.stat().st_size
    assert told["checking"] == told["encoding"] == [size, size]
    assert told["counting"][0] == pytest.approx(0.9 * size, abs=100)


@pytest.mark.skipif(os.name != "posix", reason="another process can be sent SIGINT on POSIX only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_corpus_and_the_next_makes_it(write_text, add, cache, number):
    path = write_text("book.txt", text(2000) * 100)
    process = subprocess.Popen(
        [sys.executable, "-m", "timernn_suite", "data", "add", str(path)], stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        deadline = time.monotonic() + 60
        while not list(cache.glob("corpora/.timernn-tmp-*/new/train.npy")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        complaints = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert not (cache / "corpora" / "book").exists()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in complaints
        assert not list((cache / "corpora").iterdir())
    assert add(path)["new"] is True
    assert len(load_corpus("book").train) == 180_000 * 8
