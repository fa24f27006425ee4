"""``timernn run``: the main job from end to end, judged, trained, timed and reported."""

from __future__ import annotations

import json

from timernn_suite.check import GROUPS


def test_one_command_judges_trains_times_and_reports(timernn, tmp_path):
    """One test, because the job itself takes half a minute."""
    done = timernn("run", "numpy", "--out", "report")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "report"
    for name in ("curve.png", "speed.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG"), name
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["passed"] is True
    checked = report["checks"]["numpy"]
    assert checked["passed"] is True
    assert [group["title"] for group in checked["groups"].values()] == list(GROUPS.values())
    page = (folder / "conformance.html").read_text(encoding="utf-8")
    assert f"<b>{checked['counts']['passed']}</b> passed" in page

    bound = report["corpus"]["bound"]
    results = report["trainings"]["numpy"]
    assert results["finished"] is True
    assert results["test"]["tokens"] == report["corpus"]["tokens"]["test"]
    assert 1 < bound <= results["test"]["perplexity"] < 2 * bound

    baseline, shapes = report["speed"]["baseline"], report["speed"]["shapes"]
    assert len(shapes) >= 4
    assert "textbook" in baseline
    for shape, record in shapes.items():
        assert {"numpy", baseline} <= set(json.dumps(record).replace('"', " ").split()), shape

    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# timernn report\n\nVerdict: **passed**")
    assert f"{results['test']['perplexity']:.2f}" in text
    for beside in ("curve.png", "speed.png", "conformance.html"):
        assert f"({beside})" in text
    assert str(tmp_path) not in text + page
    assert str(tmp_path) not in json.dumps(report)
    assert "report.md" in done.stdout

    again = timernn("run", "numpy", "--out", "report")
    assert again.returncode == 2
    assert "holds a report already" in again.stderr


def test_an_unknown_backend_ends_it_before_any_work(timernn, tmp_path):
    done = timernn("run", "abacus", "--out", "report")
    assert done.returncode == 2
    assert "no backend is called 'abacus'" in done.stderr
    assert not (tmp_path / "report").exists()
