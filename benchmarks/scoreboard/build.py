"""Builds the dashboard: one page of our own that opens from anywhere, and asv's pages made to work offline.

Run it as ``nox -s dashboard``.
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import sys
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import assets
import charts
import collect
import jinja2
import typer
from markupsafe import Markup

from timernn_suite.files import replace_text

ROOT = Path(__file__).parents[2]
#: Those of the project, which are the ones that asv publishes.
RESULTS = ROOT / "results"
#: The shapes that a row has a column for.
SHAPES = ("toy", "small", "stream", "medium")


def main(
    results: Annotated[Path, typer.Option(help="Where the records are.")] = RESULTS,
    out: Annotated[Path, typer.Option(help="Where the pages go.")] = ROOT / "runs" / "dashboard",
    publish: Annotated[bool, typer.Option(help="Also asv's pages, of the commits that this clone has.")] = True,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the pages to this machine until Ctrl-C.")] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the scoreboard in a browser.")] = False,
    port: Annotated[int, typer.Option(help="Of --serve; 0 for any that is free.")] = 8080,
) -> None:
    """Build the scoreboard, and asv's pages beside it."""
    modules = assets.installed()
    out.mkdir(parents=True, exist_ok=True)
    has_pages = publish and results == RESULTS and publish_asv(out / "asv", modules)
    page = out / "index.html"
    replace_text(page, scoreboard(results, assets.chart_scripts(modules), "asv/index.html" if has_pages else None))
    print(f"scoreboard: {page}")
    if open_it:
        webbrowser.open(page.as_uri())
    if serve:
        serve_folder(out, port)
    elif not open_it:
        print("It opens from there as it is; -- --open opens it, -- --serve serves it with asv's graphs.")


def scoreboard(results: Path, scripts: list[str], asv_pages: str | None) -> str:
    """Return the page, with everything that it needs inside."""
    machines = collect.machines(results)
    specs: dict[str, Any] = {f"history-{place}": charts.history(machine) for place, machine in enumerate(machines)}
    beside, learning = collect.peers(results), list(collect.curves(results))
    if beside:
        specs["peers"] = charts.beside_peers(beside)
    if learning:
        specs["learning"] = charts.learning(learning)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= FILTERS
    return environment.get_template("page.html").render(
        machines=machines,
        shapes=SHAPES,
        charts=specs,
        scripts=[Markup(script.replace("</script", "<\\/script")) for script in scripts],
        asv_pages=asv_pages,
        made=datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def publish_asv(target: Path, modules: Path) -> bool:
    """Let asv publish, copy its pages and give them what they load; False if it has nothing to publish."""
    done = subprocess.run([sys.executable, "-m", "asv", "publish"], cwd=ROOT, check=False)
    if done.returncode:
        print("asv could not publish: its graphs are left out", file=sys.stderr)
        return False
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / ".asv" / "html", target)
    assets.vendor(target, modules)
    return True


def serve_folder(folder: Path, port: int) -> None:
    """Serve a folder to this machine alone."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _said(commit: collect.Commit) -> Markup:
    if not commit.changes:
        why = "the implementations are the same" if commit.compared else "not compared"
        return Markup('<span class="muted">{}</span>').format(why)
    parts = [
        Markup('<span class="bad">{} {} failed: {}</span>').format(c["implementation"], c["shape"], c["error"])
        for c in commit.changes
        if "error" in c
    ]
    for verdict, style in (("slower", "bad"), ("faster", "good"), ("can't tell", "muted")):
        of_it = [change for change in commit.changes if change.get("verdict") == verdict]
        if of_it:
            what = ", ".join(f"{c['implementation']} {c['shape']} ({c['ratio']:.2f}×)" for c in of_it)
            parts.append(Markup('<span class="{}">{}: {}</span>').format(style, verdict, what))
    return Markup("; ").join(parts) or Markup('<span class="good">the same</span>')


FILTERS = {
    "figure": _figure,
    "whole": lambda value: "–" if value is None else f"{value:,.0f}",
    "day": lambda stamp: datetime.fromtimestamp(stamp / 1000, UTC).strftime("%Y-%m-%d"),
    "backends": lambda machine: list(dict.fromkeys(row.backend for c in machine.commits for row in c.rows)),
    "said": _said,
    "pretty": lambda record: json.dumps(record, indent=1),
    # In a script element nothing but "</" can end it, and "<!--" can confuse it.
    "json": lambda value: Markup(json.dumps(value).replace("<", "\\u003c")),
}

if __name__ == "__main__":
    typer.run(main)
