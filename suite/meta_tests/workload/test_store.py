"""The cache of encoded text under interrupts, damage, competition and a disk that can't be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from timernn_suite.corpus import CorpusError, Vocabulary, load_corpus, text
from timernn_suite.corpus.store import load_entry

TRAIN = [0, 1, 2, 3, 3] * 20_000  # more than one buffer


def write(writer):
    for split, ids in (("train", TRAIN), ("valid", [1]), ("test", [2, 0])):
        with writer.ids(split, len(ids)) as append:
            append(ids[:1])
            append(ids[1:])
    writer.finish(Vocabulary(("a", "b", "<eos>", "c")), {"train": "0", "valid": "1", "test": "2"})


def must_not_write(writer):
    raise AssertionError("the entry was written again")


def entries(cache):
    return sorted(path.name for path in (cache / "ids").iterdir())


def test_an_entry_is_written_once_and_read_back(isolated):
    for writing in (write, must_not_write):
        entry = load_entry(isolated, {"text": "x"}, writing)

        assert entry.ids["train"].tolist() == TRAIN
        assert entry.ids["test"].tolist() == [2, 0]
        assert entry.vocabulary.words == ("a", "b", "<eos>", "c")
        assert entry.sha256 == {"train": "0", "valid": "1", "test": "2"}


def test_another_identity_is_another_entry(isolated):
    load_entry(isolated, {"text": "x"}, write)
    load_entry(isolated, {"text": "y"}, write)

    assert len(entries(isolated)) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, CorpusError, MemoryError])
def test_an_interrupt_leaves_nothing_behind(isolated, error):
    def interrupted(writer):
        with writer.ids("train", 100_000) as append:
            append([0] * 90_000)
            raise error

    with pytest.raises(error):
        load_entry(isolated, {"text": "x"}, interrupted)
    assert entries(isolated) == []
    assert load_entry(isolated, {"text": "x"}, write).ids["train"].tolist() == TRAIN


def test_a_killed_process_leaves_nothing_that_is_taken_for_an_entry(isolated):
    script = (
        "import os, sys, pathlib\n"
        "from timernn_suite.corpus.store import load_entry\n"
        "def write(writer):\n"
        "    with writer.ids('train', 2) as append:\n"
        "        append([0, 1])\n"
        "    os._exit(7)\n"
        "load_entry(pathlib.Path(sys.argv[1]), {'text': 'x'}, write)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, isolated], env=environment(), check=False).returncode == 7

    (leftover,) = entries(isolated)
    assert leftover.startswith(".timernn-tmp-")
    assert load_entry(isolated, {"text": "x"}, write).ids["train"].tolist() == TRAIN
    assert leftover in entries(isolated)  # it might be a living process' own

    folder = isolated / "ids" / leftover
    os.utime(folder, (time.time() - 2e5,) * 2)
    load_entry(isolated, {"text": "z"}, write)
    assert leftover in entries(isolated)  # a long text is written for days: its files are fresh
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 2e5,) * 2)
    load_entry(isolated, {"text": "y"}, write)
    assert leftover not in entries(isolated)


def cut_short(path):
    os.truncate(path, path.stat().st_size - 4)


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["train.npy", "test.npy", "vocabulary.json", "manifest.json"])
@pytest.mark.parametrize("damage", [cut_short, flip_a_byte, os.remove, lambda path: path.write_text("[]")])
def test_a_damaged_entry_is_made_again(isolated, name, damage):
    load_entry(isolated, {"text": "x"}, write)
    (key,) = entries(isolated)
    damage(isolated / "ids" / key / name)
    entry = load_entry(isolated, {"text": "x"}, write)

    assert entry.ids["train"].tolist() == TRAIN
    assert entry.vocabulary.words == ("a", "b", "<eos>", "c")
    assert entries(isolated) == [key]
    load_entry(isolated, {"text": "x"}, must_not_write)


def test_of_two_writers_the_first_wins_and_both_read_the_same(isolated):
    def overtaken(writer):
        load_entry(isolated, {"text": "x"}, write)
        write(writer)

    entry = load_entry(isolated, {"text": "x"}, overtaken)

    assert entry.ids["train"].tolist() == TRAIN
    assert len(entries(isolated)) == 1


def test_two_processes_at_once_both_get_the_text(isolated, write_text):
    path = write_text("book.txt", "the same words in the same order\n" * 3000)
    script = (
        "import sys\n"
        "from timernn_suite.corpus import load_corpus\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "corpus = load_corpus(sys.argv[1])\n"
        "print(len(corpus.train), len(corpus.vocabulary), int(corpus.train.sum()), flush=True)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, path],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]

    assert answers == ["19200 7 38400\n"] * 2
    assert [process.returncode for process in processes] == [0, 0]
    assert len(entries(isolated)) == 1


def test_a_cache_that_cannot_be_written_to_is_stood_in_for_with_a_warning(tmp_path, write_text):
    path = write_text("book.txt", "a b\n" * 10)
    blocked = write_text("a-file", "") / "cache"  # below a file no folder can be made, not even by root

    with pytest.warns(RuntimeWarning, match="a-file.*can't be written to.*TIMERNN_CACHE"):
        corpus = load_corpus(path, cache=blocked)
    assert corpus.train.tolist() == [0, 1, 2] * 8
    assert tmp_path not in Path(corpus.train.filename).parents


def test_a_cache_that_cannot_be_written_to_still_serves_what_it_has(isolated, write_text, monkeypatch):
    path = write_text("book.txt", "a b\n" * 10)
    load_corpus(path)

    def refuse(*_args, **_options):
        raise PermissionError("read-only")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert load_corpus(path).train.tolist() == [0, 1, 2] * 8  # a warning would be an error here


def test_a_disk_that_is_full_is_an_error_that_says_so(isolated):
    def full(writer):
        raise OSError(28, "No space left on device")

    with pytest.raises(CorpusError, match="can't be written: No space left on device"):
        load_entry(isolated, {"text": "x"}, full)
    assert entries(isolated) == []


def test_a_text_that_changes_while_it_is_read_is_not_cached(isolated, write_text, monkeypatch):
    path = write_text("book.txt", "a b\n" * 10)
    whole = text.write_entry

    def slow(*args, **options):
        whole(*args, **options)
        write_text("book.txt", "b a\n" * 10)

    monkeypatch.setattr(text, "write_entry", slow)
    with pytest.raises(CorpusError, match="changed while it was read"):
        load_corpus(path)
    assert entries(isolated) == []


def test_a_writer_that_counts_wrong_is_refused(isolated):
    def wrong(writer):
        with writer.ids("train", 3) as append:
            append([0, 1])

    with pytest.raises(CorpusError, match=r"train: the text changed while it was read \(3 tokens, then 2\)"):
        load_entry(isolated, {"text": "x"}, wrong)


def test_the_cache_folder_may_be_removed_at_any_time(isolated, write_text):
    path = write_text("book.txt", "a b\n" * 10)
    load_corpus(path)
    shutil.rmtree(isolated)

    assert load_corpus(path).train.tolist() == [0, 1, 2] * 8


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
