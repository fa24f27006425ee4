from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from timernn.contract import LabelError
from timernn_suite.corpus import CorpusError, Vocabulary, load_corpus


def decoded(corpus):
    return {name: " ".join(corpus.vocabulary.decode(getattr(corpus, name))) for name in ("train", "valid", "test")}


def sha256(content):
    return hashlib.sha256(content.encode()).hexdigest()


@pytest.fixture
def folder(write_text, tmp_path):
    write_text("songs/train.txt", "one two one\ntwo three\n")
    write_text("songs/valid.txt", "two one\n")
    write_text("songs/test.txt", "one four\n")
    return tmp_path / "songs"


def test_ids_are_by_first_occurrence_and_every_newline_is_an_eos(folder):
    corpus = load_corpus(folder, min_count=1)

    assert corpus.vocabulary.words == ("one", "two", "<eos>", "three", "<unk>")
    assert corpus.train.tolist() == [0, 1, 0, 2, 1, 3, 2]
    assert corpus.valid.tolist() == [1, 0, 2]
    assert (corpus.vocabulary.eos_id, corpus.vocabulary.unk_id) == (2, 4)


def test_splits_are_read_only_memory_maps_in_the_cache(folder, isolated):
    corpus = load_corpus(folder)

    for split in (corpus.train, corpus.valid, corpus.test):
        assert isinstance(split, np.memmap)
        assert isolated in Path(split.filename).parents
        assert split.dtype == np.int32
        with pytest.raises(ValueError, match="read-only"):
            split[0] = 1


def test_words_of_valid_and_test_that_train_has_not_become_unk(folder):
    assert decoded(load_corpus(folder, min_count=1))["test"] == "one <unk> <eos>"


def test_rare_words_become_unk_which_stands_where_the_first_of_them_was(folder):
    corpus = load_corpus(folder, min_count=2)

    assert decoded(corpus)["train"] == "one two one <eos> two <unk> <eos>"
    assert corpus.vocabulary.words == ("one", "two", "<eos>", "<unk>")


def test_an_unk_in_the_text_is_the_unk(folder, write_text):
    write_text("songs/train.txt", "<unk> one\none\n")
    corpus = load_corpus(folder, min_count=2)

    assert corpus.vocabulary.words == ("<unk>", "one", "<eos>")
    assert corpus.vocabulary.unk_id == 0


def test_min_count_is_part_of_what_the_cache_goes_by(folder):
    assert len(load_corpus(folder, min_count=1).vocabulary) == 5
    assert len(load_corpus(folder, min_count=2).vocabulary) == 4
    assert len(load_corpus(folder, min_count=3).vocabulary) == 2


def test_min_count_below_one_is_refused(folder):
    with pytest.raises(ValueError, match="min_count: must be at least 1, got 0"):
        load_corpus(folder, min_count=0)


def test_the_description_is_json_and_has_no_path_of_this_machine(folder, tmp_path):
    described = load_corpus(folder, min_count=1).describe()

    assert json.loads(json.dumps(described)) == {
        "name": "songs",
        "source": "text folder songs",
        "V": 5,
        "tokens": {"train": 7, "valid": 3, "test": 3},
        "sha256": {
            "train": sha256("one two one\ntwo three\n"),
            "valid": sha256("two one\n"),
            "test": sha256("one four\n"),
        },
        "entropy_rate": None,
    }
    assert str(tmp_path) not in json.dumps(described)


def test_a_single_file_is_cut_by_lines_in_order(write_text):
    lines = [f"w{k} w{k}\n" for k in range(25)]
    corpus = load_corpus(write_text("book.txt", "".join(lines)), min_count=1)

    assert decoded(corpus)["train"] == " ".join(f"w{k} w{k} <eos>" for k in range(21))
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (63, 6, 6)
    assert corpus.sha256["train"] == sha256("".join(lines[:21]))
    assert corpus.sha256["valid"] == sha256("".join(lines[21:23]))
    assert corpus.sha256["test"] == sha256("".join(lines[23:]))
    assert (corpus.name, corpus.source) == ("book", "text file book.txt")


def test_blank_lines_are_no_sentences(write_text):
    text = "\n  \n" + "a a\n\n" * 5 + "a\n" * 5
    corpus = load_corpus(write_text("gaps.txt", text))

    assert decoded(corpus) == {
        "train": "a a <eos> " * 5 + "a <eos> a <eos> a <eos>",
        "valid": "a <eos>",
        "test": "a <eos>",
    }
    assert corpus.sha256["train"] == sha256("\n  \n" + "a a\n\n" * 5 + "a\n" * 3)


def test_a_last_line_without_newline_counts(write_text):
    corpus = load_corpus(write_text("open.txt", "a b\n" * 9 + "b a"))

    assert decoded(corpus)["test"] == "b a <eos>"


def test_windows_line_ends_and_byte_order_mark_are_no_words(write_text):
    corpus = load_corpus(write_text("dos.txt", b"\xef\xbb\xbf" + b"a b\r\n" * 10))

    assert corpus.vocabulary.words == ("a", "b", "<eos>", "<unk>")


def test_other_scripts_are_words(write_text):
    corpus = load_corpus(write_text("日本.txt", "私 は ここ\n" * 10))

    assert corpus.vocabulary.words[:3] == ("私", "は", "ここ")
    assert load_corpus(write_text("日本.txt", "私 は ここ\n" * 10)).vocabulary.words == corpus.vocabulary.words


def test_few_lines_are_refused_with_their_number(write_text):
    with pytest.raises(CorpusError, match="has 9 lines of text; it takes 10"):
        load_corpus(write_text("short.txt", "a\n" * 9 + "\n\n"))


@pytest.mark.parametrize("content", ["", "\n \n\t\n"])
def test_a_file_without_text_is_refused(folder, write_text, content):
    path = write_text("empty.txt", content)
    with pytest.raises(CorpusError, match=r"empty\.txt: has no text"):
        load_corpus(path)
    write_text("songs/valid.txt", content)
    with pytest.raises(CorpusError, match=r"valid\.txt: has no text"):
        load_corpus(folder)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_no_text_are_located(write_text, mark):
    content = mark + b"fine\n" * 11 + b"caf\xe9 ol\xe9\n"
    with pytest.raises(CorpusError, match=rf"latin\.txt, line 12: byte 0xe9 at offset {len(mark) + 58} of the file"):
        load_corpus(write_text("latin.txt", content))


def test_a_folder_without_its_three_files_is_refused_with_those_that_lack(write_text, tmp_path):
    write_text("part/train.txt", "a\n")
    with pytest.raises(CorpusError, match=r"no valid\.txt, test\.txt$"):
        load_corpus(tmp_path / "part")


def test_an_unknown_corpus_is_refused_with_what_there_is():
    known = "neither 'markov' nor 'ptb', nor one that was added, nor a file or folder"
    with pytest.raises(CorpusError, match=f"corpus 'shakespeare': {known}"):
        load_corpus("shakespeare")


def test_a_path_object_is_a_path_whatever_its_name(tmp_path, monkeypatch, write_text):
    write_text("markov", "a b\n" * 10)
    monkeypatch.chdir(tmp_path)

    assert load_corpus(Path("markov")).source == "text file markov"
    assert load_corpus("./markov").source == "text file markov"
    assert load_corpus("markov").entropy_rate is not None


def test_a_vocabulary_goes_there_and_back():
    vocabulary = Vocabulary(("a", "<eos>", "<unk>", "b"))
    ids, unknown = vocabulary.encode_words(["b", "nowhere", "a", "<eos>", "gone", "nowhere"])

    assert ids.dtype == np.int32
    assert ids.tolist() == [3, 2, 0, 1, 2, 2]
    assert unknown == ["nowhere", "gone"]
    assert vocabulary.decode(ids) == ["b", "<unk>", "a", "<eos>", "<unk>", "<unk>"]
    assert vocabulary.encode_words([])[0].dtype == np.int32


def test_without_unk_an_unknown_word_is_refused():
    with pytest.raises(CorpusError, match=r"has no <unk>: nowhere$"):
        Vocabulary(("a", "<eos>")).encode_words(["a", "nowhere"])


@pytest.mark.parametrize("outside", [-1, 2])
def test_ids_outside_the_vocabulary_are_not_decoded(outside):
    with pytest.raises(LabelError, match=f"^ids: every id must lie in 0 … 1, got {outside}$"):
        Vocabulary(("a", "<eos>")).decode([0, outside])


@pytest.mark.parametrize("words", [("a", "<eos>", "a"), ("a", "b")])
def test_a_vocabulary_that_is_none_is_refused(words):
    with pytest.raises(CorpusError, match=r"^vocabulary: "):
        Vocabulary(words)
