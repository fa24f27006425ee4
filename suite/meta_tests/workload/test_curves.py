"""The learning curve's tables and picture."""

from __future__ import annotations

import csv
import json

from matplotlib.image import imread

from timernn_suite.lm import curves

HISTORY = [
    {"epoch": 1, "train_perplexity": 300.5, "valid_perplexity": 200.25},
    {"epoch": 2, "train_perplexity": 150.5, "valid_perplexity": None},
]


def test_the_tables_hold_one_line_an_epoch_and_every_digit(tmp_path):
    curves.write_tables(tmp_path, HISTORY)
    assert [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()] == HISTORY
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_perplexity"]) for row in rows] == [300.5, 150.5]
    assert rows[1]["valid_perplexity"] == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.csv", "curve.jsonl"]


def test_the_picture_is_a_png_that_is_not_blank(tmp_path):
    path = tmp_path / "curve.png"
    curves.plot(path, {"numpy": HISTORY}, title="a run", bounds={"the source": 120.0})
    assert path.read_bytes().startswith(b"\x89PNG")
    pixels = imread(path)
    assert 0.005 < (pixels[..., :3].min(axis=2) < 0.9).mean() < 0.5


def test_an_older_runs_lines_stay_when_newer_ones_know_more(tmp_path):
    curves.write_tables(tmp_path, [{"epoch": 1}, {"epoch": 2, "gradient_norm": 0.5}])
    with (tmp_path / "curve.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"epoch": "1", "gradient_norm": ""},
            {"epoch": "2", "gradient_norm": "0.5"},
        ]
