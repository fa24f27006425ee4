"""``timernn run``: the main job. Every backend that can run here is judged, trained and timed; a report is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from timernn import backend_statuses, load_backend
from timernn_suite.check import Scorecard
from timernn_suite.cli.check import check_one
from timernn_suite.cli.console import errors, output, print_json, progress_bar
from timernn_suite.cli.folders import fresh_folder
from timernn_suite.cli.options import CorpusName, Data, Json
from timernn_suite.cli.scorecards import show
from timernn_suite.cli.train import known_bound
from timernn_suite.corpus import load_corpus
from timernn_suite.lm import curves
from timernn_suite.provenance import environment
from timernn_suite.report import Report, Training
from timernn_suite.speed import BLOCKS, STEPS, Comparison, compare
from timernn_suite.speed.report import short_name, table
from timernn_suite.speed.shapes import Block, Step

NAME = "run"
BASELINE = "timernn_suite.speed.textbook:TextbookBackend"
#: The shapes that are timed: small enough that all of them together take seconds.
SHAPES: tuple[Block | Step, ...] = (
    *(block for block in BLOCKS if block.name in ("toy", "small", "stream", "wide")),
    *STEPS[:2],
)


def command(
    backends: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BACKEND]...", help="Names or module:Class; by default all that can run here."),
    ] = None,
    corpus: CorpusName = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the report.", show_default="a new one under runs/")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Judge, train and time every backend that can run here, and write one report.

    Exit code 1 if a backend breaks the contract or can't be trained. With --corpus ptb it trains on the
    Penn Treebank, which takes a quarter of an hour a backend.
    """
    unavailable = {status.name: str(status.reason) for status in backend_statuses() if not status.available}
    names = list(dict.fromkeys(backends or [status.name for status in backend_statuses() if status.available]))
    for name in names:
        load_backend(name)  # one that was asked for and can't run is an error before any work is done
    text = load_corpus(corpus or "markov", data=data, progress=True)
    folder = out if out is not None else fresh_folder("report")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        held = "a report" if (folder / "report.json").exists() else "something"
        raise FileExistsError(f"{folder}: holds {held} already; name another folder with --out")
    bound = known_bound(text)

    for name, reason in unavailable.items():
        if backends is None:
            errors.print(f"[yellow]{name} can't run here:[/] {escape(reason)}", highlight=False)
    cards, trainings = {}, {}
    for name in names:
        cards[name] = _judge(name)
        trainings[name] = _train(name, corpus or "markov", folder, data, bound)
    comparisons = _compare(names)

    report = Report(
        environment=environment(),
        corpus=text.describe() | {"bound": bound},
        unavailable=unavailable,
        cards=cards,
        trainings=trainings,
        comparisons=comparisons,
        baseline=BASELINE,
    )
    report.write(folder, _draw_curves(names, folder, text.name, bound))
    if as_json:
        print_json(report.as_record())
    else:
        output.print(table(comparisons, BASELINE))
        verdict = "[bold green]passed" if report.passed else "[bold red]FAILED"
        output.print(f"{verdict}[/]  report: {escape(str(folder / 'report.md'))}", highlight=False, soft_wrap=True)
    if not report.passed:
        raise typer.Exit(1)


def _judge(name: str) -> Scorecard:
    card = check_one(name)
    if not card.passed:
        show(card)
        return card
    worst = card.largest_score()
    errors.print(
        f"{escape(name)}: [green]passed[/] {card.counts()['passed']} checks in {card.seconds:.1f} s"
        + (f", largest s {worst.shown}" if worst else ""),
        highlight=False,
    )
    return card


def _train(name: str, corpus: str, folder: Path, data: Path | None, bound: float | None) -> Training:
    """Train in a process of its own, so that no backend's threads or crashes reach another."""
    run = folder / f"lm-{name.replace(':', '.')}"
    recipe = "ptb-small" if corpus == "ptb" else "markov"
    command = [sys.executable, "-m", "timernn_suite", "train", "--recipe", recipe, "--corpus", corpus]
    command += ["--backend", name, "--out", str(run), "--json"]
    command += [] if data is None else ["--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        answer, _ = process.communicate()
    except KeyboardInterrupt:
        process.wait()  # it got the Ctrl-C too, and is writing its checkpoint
        raise
    if process.returncode != 0:
        return Training(None, f"training ended with exit code {process.returncode}")
    results: dict[str, Any] = json.loads(answer)
    errors.print(
        f"{escape(name)}: test perplexity [bold]{results['test']['perplexity']:.2f}[/] "
        f"after {results['epochs']} epochs, {results['seconds']:.1f} s"
        + ("" if bound is None else f"; the source's own probabilities have {bound:.2f}"),
        highlight=False,
    )
    return Training(results)


def _compare(names: list[str]) -> list[Comparison]:
    with progress_bar() as bar:
        task = bar.add_task("timing", total=len(SHAPES), note="")

        order = [shape.name for shape in SHAPES]

        def tell(shape: str, implementation: str, turn: int) -> None:
            bar.update(task, completed=order.index(shape), note=f"{shape}: {short_name(implementation)}")

        comparisons, _ = compare([*names, BASELINE], SHAPES, rounds=5, seconds=0.25, progress=tell)
    return comparisons


def _draw_curves(names: list[str], folder: Path, corpus: str, bound: float | None) -> dict[str, str]:
    histories = {}
    for name in names:
        path = folder / f"lm-{name.replace(':', '.')}" / "curve.jsonl"
        if path.exists():
            histories[name] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not histories:
        return {}
    bounds = {} if bound is None else {"the source's own probabilities": bound}
    curves.plot(folder / "curve.png", histories, title=f"learning curve on {corpus}", bounds=bounds)
    return {"learning curve": "curve.png"}
