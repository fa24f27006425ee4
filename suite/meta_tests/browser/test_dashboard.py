"""The scoreboard from a file, and asv's pages from this machine's own server: both without any other network."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "benchmarks" / "scoreboard" / "build.py"
COMMITS = ("a" * 40, "b" * 40)
COLUMNS = ["result", "params"]


def build(*arguments):
    command = [sys.executable, str(BUILD), *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory):
    """Build everything from the results that are kept."""
    folder = tmp_path_factory.mktemp("dashboard")
    build("--out", folder)
    return folder


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """Build the scoreboard of two commits: the second breaks one backend, slows another, and a third can't run."""
    results, out = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("made-up")
    machine = results / "asv" / "a-machine"
    machine.mkdir(parents=True)
    (machine / "machine.json").write_text(json.dumps({"machine": "a-machine", "cpu": "A <b>CPU</b>", "num_cpu": "2"}))
    (results / "asv" / "benchmarks.json").write_text("{}")
    for place, commit in enumerate(COMMITS):
        backends, shapes = ["'fast'", "'wrong'", "'absent'"], ["'toy'", "'small'", "'stream'", "'medium'"]
        nan = float("nan")
        times = [0.5, 0.4, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1, nan, nan, nan, nan]
        quality = "quality.Conformance.track_conformance_"
        record = {
            "commit_hash": commit,
            "date": 1_700_000_000_000 + place,
            "result_columns": COLUMNS,
            "results": {
                f"{quality}failures": [[0, 3 * place, nan], [backends]],
                f"{quality}checks": [[400, 400, nan], [backends]],
                f"{quality}score": [[2.5, 40.0, nan], [backends]],
                "quality.Perplexity.track_perplexity": [[99.5, 98.25, nan], [backends]],
                "ratios.Block.track_ratio_to_reference": [times, [backends, shapes]],
                "ratios.Block.track_ratio_to_gemm": [times, [backends, shapes]],
                "quality.FirstCall.track_compile_seconds": None,  # it failed
            },
        }
        (machine / f"{commit[:8]}-env.json").write_text(json.dumps(record))
    changes = results / "changes" / "a-machine"
    changes.mkdir(parents=True)
    slower = {"implementation": "fast", "shape": "toy", "verdict": "slower", "ratio": 1.31}
    same = {"implementation": "fast", "shape": "small", "verdict": "can't tell", "ratio": 1.02}
    (changes / f"{COMMITS[1][:8]}.json").write_text(json.dumps({"changes": [slower, same]}))
    build("--results", results, "--out", out, "--no-publish")
    return out / "index.html"


every_screen = pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")]
)


def wait_for_charts(visit):
    visit.page.wait_for_selector("body[data-drawn=yes]")


@every_screen
def test_the_scoreboard_opens_from_a_file_on_every_screen(open_page, dashboard, screenshots, width, scheme):
    address = (dashboard / "index.html").as_uri()
    with open_page(address, width, scheme) as visit:
        wait_for_charts(visit)
        visit.page.screenshot(path=screenshots / f"scoreboard-{width}-{scheme}.png", full_page=True)
        assert visit.complaints == []
        assert [asked for asked in visit.asked if not asked.startswith("data:")] == [address]
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        charts = visit.page.locator("[data-chart]")
        assert charts.count() >= 3
        for chart in charts.all():
            assert chart.locator("svg .mark-symbol path, svg .mark-line path").count() > 0
        assert (visit.luminance("body", "color") > 0.5) == (scheme == "dark")


def test_the_answers_stand_at_the_top(open_page, dashboard):
    with open_page((dashboard / "index.html").as_uri()) as visit:
        answers = visit.page.locator(".answers > div").all_inner_texts()
        assert [answer.split()[0] for answer in answers[:3]] == ["Fastest", "Right", "Slower"]
        assert "numba" in answers[0]
        assert "all that ran" in answers[1]
        rows = {name: cells for name, *cells in visit.rows("table.backends")}
        assert set(rows) >= {"numpy", "numba"}
        for cells in rows.values():
            assert cells[0].startswith("✓")
            assert float(cells[1]) < 8


def test_a_wrong_backend_is_never_the_fastest_and_its_speed_is_grey(open_page, made_up):
    with open_page(made_up.as_uri()) as visit:
        wait_for_charts(visit)
        fastest, right, slower = visit.page.locator(".answers > div").all_inner_texts()
        assert "fast" in fastest.split()
        assert "wrong fails" in right
        assert "1 of 2" in slower
        assert "fast on toy (1.31×)" in slower
        row = visit.page.locator("table.backends tr.wrong")
        assert "✗ 3 of 400" in row.inner_text()
        grey = opacities(row.locator("td.speed"))
        assert len(grey) == 7
        assert all(float(opacity) < 0.5 for opacity in grey)
        assert [cells[-1] for cells in visit.rows("table.commits")][1] == "not compared"
        assert "can't run here" in visit.page.locator("tr.absent").inner_text()
        assert visit.page.locator("h2").first.inner_text().startswith("A <b>CPU</b>, 2 cores")
        assert visit.page.locator("[data-chart=history-0] svg path[aria-label*='1.31 times as long']").count() == 1


def opacities(cells):
    return [cell.evaluate("cell => getComputedStyle(cell).opacity") for cell in cells.all()]


def test_with_nothing_measured_the_page_says_how(open_page, tmp_path):
    (tmp_path / "results").mkdir()
    build("--results", tmp_path / "results", "--out", tmp_path / "out", "--no-publish")
    with open_page((tmp_path / "out" / "index.html").as_uri()) as visit:
        assert "Nothing is measured yet: nox -s bench does." in visit.page.inner_text("body")
        assert visit.complaints == []


@pytest.fixture(scope="session")
def asv_pages(dashboard):
    """Serve the dashboard to this machine alone."""
    handler = functools.partial(QuietHandler, directory=str(dashboard))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/asv/index.html"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("#/", "#summarygrid-display .benchmark-container"),
        ("#/summarylist", "#summarylist-body tbody tr"),
        ("#ratios.Block.track_ratio_to_reference", "#main-graph canvas.flot-overlay"),
        ("#/regressions", "#regressions-body table, #regressions-body p"),
    ],
    ids=["grid", "list", "graph", "regressions"],
)
def test_asv_s_pages_work_without_a_network(open_page, asv_pages, screenshots, place, shown):
    with open_page(asv_pages + place) as visit:
        visit.page.wait_for_selector(shown, state="attached")
        visit.page.wait_for_load_state("networkidle")
        name = place.strip("#/").replace(".", "-") or "grid"
        visit.page.screenshot(path=screenshots / f"asv-{name}.png")
        assert visit.complaints == []
        assert {asked.split("/")[2] for asked in visit.asked} == {asv_pages.split("/")[2]}


def test_the_scoreboard_leads_to_asv_s_pages(dashboard):
    assert 'href="asv/index.html"' in (dashboard / "index.html").read_text(encoding="utf-8")
    assert (dashboard / "asv" / "index.html").exists()
