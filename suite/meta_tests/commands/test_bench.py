"""``timernn bench`` from end to end on shapes so small that all of it takes seconds."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

TINY = ("--shape", "2,3,4,5", "--rounds", "2", "--seconds", "0.01", "--threads", "1")
#: A backend that dies on one shape, raises on another, and is sound on all others.
MORTAL = """\
import os
from timernn_suite.speed.textbook import TextbookBackend

class Mortal(TextbookBackend):
    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        if len(Wh) == 7:
            os._exit(3)
        if len(Wh) == 8:
            raise RuntimeError("not eight")
        print("what is printed is no answer")
        return super().time_rnn(Wx, Wh, b, stateful=stateful)
"""


def test_it_times_shows_and_writes(timernn, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("bench.json", "own.txt"):
        (tmp_path / "out" / name).write_text("of before", encoding="utf-8")
    done = timernn("bench", "numpy", "textbook", *TINY, "--dtype", "float64", "--out", "out", OPENBLAS_CORETYPE="")
    assert done.returncode == 0, done.stderr
    assert "OPENBLAS_CORETYPE" not in done.stderr
    assert "N2 T3 D4 H5" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 110
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"bench.json", "bench.md", "bench.svg", "bench.png", "own.txt"}
    assert (tmp_path / "out" / "own.txt").read_text(encoding="utf-8") == "of before"
    assert (tmp_path / "out" / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "out" / "bench.svg").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert record["schema_version"] == 1
    assert record["settings"] == {"threads": 1, "dtype": "float64", "rounds": 2, "seconds": 0.01}
    assert record["summary"] is None  # no peer was asked for
    shape = record["shapes"]["2,3,4,5"]
    assert shape["limit"]["gflops_per_second"] > 0
    for name in ("numpy", "textbook"):
        measured = shape["measurements"][name]
        assert len(measured["rounds"]) == 2
        least, most = min(measured["rounds"]), max(measured["rounds"])
        assert least <= measured["milliseconds"] <= most
        assert measured["times_limit"][0] > 1  # 6·6·45 operations are nothing beside the calls
        assert record["implementations"][name]["library"] == "numpy"
    assert "(bench.svg)" in (tmp_path / "out" / "bench.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in json.dumps(record)


def test_a_crash_costs_the_cell_in_which_it_happens_and_no_other(timernn, tmp_path):
    (tmp_path / "mine.py").write_text(MORTAL, encoding="utf-8")
    shapes = [word for H in (7, 8, 9) for word in ("--shape", f"2,3,4,{H}")]
    turns = ("--rounds", "1", "--seconds", "0.001", "--threads", "1")
    done = timernn("bench", "mine:Mortal", "textbook", *shapes, *turns, "--json", OPENBLAS_CORETYPE="Haswell")
    assert done.returncode == 0, done.stderr
    assert "OPENBLAS_CORETYPE" in done.stderr
    measured = {name: shape["measurements"] for name, shape in json.loads(done.stdout)["shapes"].items()}
    assert measured["2,3,4,7"]["mine:Mortal"] == {"error": "its process ended with exit code 3"}
    assert measured["2,3,4,8"]["mine:Mortal"] == {"error": "RuntimeError: not eight"}
    assert measured["2,3,4,9"]["mine:Mortal"]["milliseconds"] > 0
    assert all(of_shape["textbook"]["milliseconds"] > 0 for of_shape in measured.values())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("abacus",), "there are"),
        (("peer:abacus",), "peer:torch"),
        (("--shape", "round"), "'small model'"),
        (("--dtype", "int8"), "float32"),
        (("mine:Nothing",), "mine"),
    ],
)
def test_what_there_is_not_is_refused_before_any_work(inside, tmp_path, arguments, complaint):
    done = inside("bench", *arguments, "--out", "out")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(inside, tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    assert inside("bench", "textbook", "--out", "out").returncode == 2
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux' list of a process's children")
def test_an_interrupt_ends_the_workers_and_leaves_nothing_half(begun, tmp_path):
    process = begun("bench", "textbook", "--shape", "2,3,4,5", "--seconds", "600", "--out", "out")
    try:
        deadline = time.monotonic() + 60
        while len(workers := children(process.pid)) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)  # into the timing, past the start
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert list((tmp_path / "out").iterdir()) == []
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_it_is_set_beside_an_older_run_of_the_same_machine_and_refuses_any_other(timernn, tmp_path):
    assert timernn("bench", "numpy", *TINY, "--out", "older").returncode == 0
    older = tmp_path / "older" / "bench.json"
    done = timernn("bench", "numpy", *TINY, "--against", str(older), "--json")
    assert done.returncode == 0, done.stderr
    (ratio,) = json.loads(done.stdout)["times_as_long_as_before"].values()
    assert ratio > 0
    assert "times as long" in timernn("bench", "numpy", *TINY, "--against", str(older)).stdout

    record = json.loads(older.read_text(encoding="utf-8"))
    older.write_text(json.dumps(record | {"environment": record["environment"] | {"processor": "another"}}))
    refused = timernn("bench", "numpy", *TINY, "--against", str(older))
    assert refused.returncode == 2
    assert "processor: another and " in refused.stderr
    assert timernn("bench", "numpy", *TINY, "--against", str(older), "--force").returncode == 0

    nothing = timernn("bench", "numpy", "--shape", "3,3,3,3", *TINY[2:], "--against", str(older), "--force")
    assert nothing.returncode == 2
    assert "no shape and implementation in common" in nothing.stderr
    assert timernn("bench", "numpy", *TINY, "--against", "none.json").returncode == 2
