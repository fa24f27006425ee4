"""``timernn baselines``: the table, the documents, and refusals that say why."""

from __future__ import annotations

import json
import sys

import pytest

from timernn_suite.baselines import measure as measuring
from timernn_suite.cli import main

RECIPE = """\
corpus = "own.txt"
embedding_size = 6
hidden_size = 8
batch_size = 4
time_size = 5
epochs = 1
learning_rate = 0.01
"""


@pytest.fixture
def timernn(tmp_path, monkeypatch, capsys):
    """Return a function that does what the command does, in a folder with a text and a recipe."""
    (tmp_path / "own.txt").write_text("the cat sees a dog\na dog likes the old cat\n" * 60, encoding="utf-8")
    (tmp_path / "other.txt").write_text("the horse sees a dog\na dog likes it\n" * 60, encoding="utf-8")
    (tmp_path / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["timernn", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


@pytest.fixture
def run_folder(timernn, tmp_path):
    code, _, complaints = timernn("train", "--recipe", "tiny.toml", "--out", "runs/net")
    assert code == 0, complaints
    return tmp_path / "runs" / "net"


def test_the_documents_hold_what_it_takes_to_compare(timernn, tmp_path, run_folder):
    code, said, complaints = timernn(
        *("baselines", "--corpus", "own.txt", "--run", run_folder, "--windows", "2", "--epochs", 1),
        *("--out", "found", "--json"),
    )
    assert code == 0, complaints
    record = json.loads(said)
    assert record == json.loads((tmp_path / "found" / "baselines.json").read_text(encoding="utf-8"))
    assert record["finished"]
    assert record["protocol"] == "ptb-c1"
    assert record["settings"]["windows"] == [2]
    assert set(record["corpus"]["sha256"]) == {"train", "valid", "test"}
    assert "numpy" in record["environment"]
    assert str(tmp_path) not in json.dumps(record)
    for result in record["results"]:
        for split in ("valid", "test"):
            assert result[split]["tokens"] == record["corpus"]["tokens"][split]
            assert float.fromhex(result[split]["nll_hex"]) == result[split]["nll"]
    names = [result["name"] for result in record["results"]]
    assert names[-3:] == ["RNN net", "RNN net + KN5", "RNN net + KN5 + cache"]


def test_kinds_stand_in_columns_of_their_own(timernn, tmp_path, run_folder):
    code, said, _ = timernn("baselines", "--corpus", "own.txt", "--run", run_folder, "--only", "cache", "-o", "found")
    assert code == 0
    page = (tmp_path / "found" / "baselines.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    headings, _, *rows = cells
    assert headings == ["model", "valid", "test, static", "test, cache", "test, interpolated", "seconds"]
    filled = {row[0]: [heading for heading, cell in zip(headings, row, strict=True) if cell][2:-1] for row in rows}
    assert filled == {
        "KN5 + cache": ["test, cache"],
        "RNN net": ["test, static"],
        "RNN net + KN5": ["test, interpolated"],
        "RNN net + KN5 + cache": ["test, interpolated"],
    }
    assert all(row[0] in said for row in rows)


def test_the_default_corpus_says_what_its_source_reaches(timernn):
    code, said, _ = timernn("baselines", "--only", "uniform", "--only", "unigram", "--out", "found")
    assert code == 0
    assert "The source's own probabilities have a perplexity of 30.16 on test." in said
    assert "KN5" not in said


def test_without_out_results_go_to_a_new_folder(timernn, tmp_path):
    for _ in range(2):
        assert timernn("baselines", "--only", "uniform")[0] == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "baselines-markov-001",
        "baselines-markov-002",
    ]


def test_an_interrupt_keeps_what_is_measured(timernn, tmp_path, monkeypatch):
    def interrupted(corpus, order):
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "score_ngrams", interrupted)
    code, _, _ = timernn("baselines", "--out", "found")
    assert code == 130
    record = json.loads((tmp_path / "found" / "baselines.json").read_text(encoding="utf-8"))
    assert not record["finished"]
    assert [result["name"] for result in record["results"]] == ["uniform", "unigram"]
    assert "Not finished" in (tmp_path / "found" / "baselines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--only", "lstm"), "must be one of uniform, unigram, kn, cache, cbow, got 'lstm'"),
        (("--windows", "1,x"), "must be whole numbers above 0 apart by commas, as in 1,2,5, got '1,x'"),
        (("--windows", "0"), "got '0'"),
        (("--order", "0"), "--order"),
        (("--epochs", "0"), "--epochs"),
        (("--corpus", "nowhere.txt"), "nowhere.txt"),
        (("--run", "nowhere"), "nowhere"),
        (("--run", "a/net", "--run", "b/net"), "every run needs a name of its own, got a/net, b/net"),
        (("--backend", "abacus"), "no backend is called 'abacus'"),
    ],
)
def test_wrong_use_is_named_before_anything_is_written(timernn, tmp_path, arguments, named):
    code, said, complaints = timernn("baselines", *arguments)
    assert code == 2
    assert named in " ".join(complaints.replace("│", " ").split())
    assert said == ""
    assert not (tmp_path / "runs").exists()


def test_a_run_on_another_vocabulary_is_refused(timernn, run_folder):
    code, _, complaints = timernn("baselines", "--corpus", "other.txt", "--run", run_folder)
    assert code == 2
    assert "its vocabulary is not the one that the model of run net was trained on" in complaints


def test_results_are_never_written_over(timernn):
    assert timernn("baselines", "--only", "uniform", "--out", "found")[0] == 0
    code, _, complaints = timernn("baselines", "--only", "uniform", "--out", "found")
    assert code == 2
    assert "holds baselines.json already" in complaints
