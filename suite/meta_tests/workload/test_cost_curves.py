"""Cost curves and memory on tiny sizes: every point where it belongs, and a memory that follows what is held."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from timernn_suite.speed import Block, Comparison, Measurement
from timernn_suite.speed.bench import Bench
from timernn_suite.speed.bench_files import write
from timernn_suite.speed.sweep_text import markdown
from timernn_suite.speed.sweeps import SWEEPS, measure, memory_of, of_size, yardstick_bytes

on_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux alone")
BASE = Block("base", 2, 3, 4, 5)


def test_a_sweep_changes_one_size():
    assert of_size(BASE, "T", 7) == Block("N2 T7 D4 H5", 2, 7, 4, 5)
    assert of_size(BASE, "T", 3).name == of_size(BASE, "H", 5).name  # the same block, timed once
    assert set(SWEEPS) == {"N", "T", "D", "H"}


def test_the_yardstick_is_inputs_and_outputs_and_a_copy_and_the_states():
    xs, hs, weights = 24, 30, 20 + 25 + 5
    assert yardstick_bytes(BASE, 4) == 4 * (3 * xs + 2 * hs + 2 * weights + 2.2 * hs)
    assert yardstick_bytes(BASE, 8) == 2 * yardstick_bytes(BASE, 4)


@on_linux
def test_the_peak_is_the_most_since_it_was_reset():
    """In a process of its own: one that has done other things has memory that it can give out again."""
    code = """
from timernn_suite.speed.memory import peak_kib, reset_peak, resident_kib
assert reset_peak()
before = peak_kib()
held = bytearray(b"1") * 40_000_000
with_it = peak_kib()
del held
assert 38_000 < with_it - before < 60_000, (before, with_it)
assert peak_kib() > with_it - 1_000  # the system counts in batches of pages
assert reset_peak()
assert peak_kib() < with_it - 30_000
assert resident_kib() < peak_kib() + 1_000
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@on_linux
def test_memory_follows_the_length_and_is_at_least_what_goes_in_and_out():
    held = {T: memory_of("textbook", Block("x", 20, T, 100, 100), 1, "float64")["kib"] for T in (200, 400)}
    in_and_out = {T: 8 * 4 * 20 * T * 100 / 1024 for T in held}  # xs, hs, dhs, dxs
    assert held[200] > in_and_out[200]
    assert held[400] - held[200] > in_and_out[400] - in_and_out[200]
    assert held[400] < 8 * in_and_out[400]


def test_every_curve_has_a_point_a_size_and_a_failure_is_named():
    told = set()
    record = measure(
        ["textbook", "peer:no.such.module"],
        threads=1,
        dtype="float32",
        base=BASE,
        sweeps={"T": (3, 6), "H": (5,)},
        seconds=0.001,
        progress=lambda what, name: told.add((what.partition(" ")[0], name)),
    )
    assert told >= {("curve", "textbook"), ("memory", "textbook")}
    assert record["time"]["T"]["values"] == [3, 6]
    of_textbook = record["time"]["T"]["microseconds_per_token"]["textbook"]
    assert all(0 < least <= median <= most for median, least, most in of_textbook)
    assert record["time"]["H"]["microseconds_per_token"]["textbook"] == of_textbook[:1]  # the same block
    assert record["time"]["T"]["microseconds_per_token"]["peer:no.such.module"] == [None, None]
    assert record["memory"]["peak_kib"]["peer:no.such.module"] == [None, None]
    assert len(record["memory"]["errors"]) >= 2
    assert all("No module named" in e for n, e in record["memory"]["errors"].items() if n.startswith("peer"))
    assert any("failed | failed" in part for part in markdown(record))


CURVES = {
    "base": {"N": 1, "T": 1, "D": 1, "H": 1},
    "settings": {},
    "time": {"T": {"values": [1, 2], "microseconds_per_token": {"numpy": [[1.0, 0.5, 2.0], None]}}},
    "memory": {"values": [1, 2], "yardstick_kib": [512.0, 1024.0], "peak_kib": {"numpy": [0, 2048]}, "errors": {}},
}


def test_the_files_of_curves_go_when_there_are_none(tmp_path):
    comparisons = [Comparison(BASE, (Measurement("numpy", (1.0,)), Measurement("limit", (1.0,))))]
    write(Bench(comparisons, ["numpy"], [], curves=CURVES), tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "| numpy | 1.00 | failed |" in text
    assert "| numpy | 0.00 (0.00×) | 2.00 (2.00×) |" in text
    assert "(curves.svg)" in text
    assert json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["curves"] == CURVES
    write(Bench(comparisons, ["numpy"], []), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.md", "bench.png", "bench.svg"}
