"""``timernn baselines``: n-grams, a cache, CBOW and mixtures by the protocol that recurrent models are scored by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from timernn import load_backend
from timernn_suite.baselines.cbow_training import CbowSettings
from timernn_suite.baselines.measure import FAMILIES, Settings, load_runs, measure
from timernn_suite.baselines.report import HEADINGS, closing_lines, document, rows, write
from timernn_suite.baselines.tokens import Scored
from timernn_suite.cli.console import errors, output, print_json, progress_bar
from timernn_suite.cli.folders import fresh_folder
from timernn_suite.cli.options import BackendName, CorpusName, Data, Json
from timernn_suite.cli.train import known_bound
from timernn_suite.corpus import load_corpus
from timernn_suite.provenance import environment

NAME = "baselines"
DEFAULTS = Settings()


def command(
    corpus: CorpusName = None,
    data: Data = None,
    order: Annotated[int, typer.Option(min=1, help="Of the Kneser-Ney n-grams.")] = DEFAULTS.order,
    windows: Annotated[
        str, typer.Option(metavar="SIZES", help="Words to the left that CBOW sees, apart by commas.")
    ] = ",".join(map(str, DEFAULTS.windows)),
    epochs: Annotated[int, typer.Option(min=1, help="Of CBOW.")] = DEFAULTS.cbow.epochs,
    seed: Annotated[int, typer.Option(min=0, help="Of CBOW's first weights and order.")] = DEFAULTS.cbow.seed,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="A run of 'timernn train', scored and mixed with n-grams and cache. Repeatable."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Only this of {', '.join(FAMILIES)}. Repeatable.", show_default="all"),
    ] = None,
    backend: BackendName = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results.", show_default="a new one under runs/"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score language models to compare a recurrent one with, by the protocol ptb-c1.

    Static models, models with a cache and interpolated ones have a column each: their figures are not comparable.
    Ctrl-C keeps what is measured already.
    """
    settings = Settings(
        families=_families(only), order=order, windows=_sizes(windows), cbow=CbowSettings(epochs=epochs, seed=seed)
    )
    folders = _named(run or [])
    engine = load_backend(backend)
    made_in = environment()
    text = load_corpus(corpus or "markov", data=data, progress=True)
    runs = load_runs(folders, text, engine)
    folder = out if out is not None else fresh_folder(f"baselines-{text.name}")
    if (folder / "baselines.json").exists():
        raise FileExistsError(f"{folder}: holds baselines.json already; name another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)  # what is wrong with it is said before the long work
    bound = known_bound(text)
    results: list[Scored] = []
    with progress_bar() as bar:
        task = bar.add_task("counting", total=None, note="")
        for scored in measure(
            text,
            engine,
            settings,
            runs,
            progress=lambda done, total, note: bar.update(task, description=note, completed=done, total=total),
        ):
            results.append(scored)
            write(document(text, settings, results, made_in, bound=bound, finished=False), folder)
            bar.update(task, description=f"{scored.name} is done", completed=0, total=None)
    record = document(text, settings, results, made_in, bound=bound, finished=True)
    write(record, folder)
    if as_json:
        print_json(record)
        return
    table = Table(title="Perplexity", title_justify="left")
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if place else "left", no_wrap=place == 0)
    for row in rows(record):
        table.add_row(*map(escape, row))
    output.print(table)
    for line in closing_lines(record):
        output.print(escape(line), highlight=False)
    errors.print(f"wrote {escape(str(folder / 'baselines.md'))}", highlight=False, soft_wrap=True)


def _named(runs: list[Path]) -> dict[str, Path]:
    named = {run.resolve().name: run for run in runs}
    if len(named) < len(runs):
        raise typer.BadParameter(
            f"every run needs a name of its own, got {', '.join(map(str, runs))}", param_hint="--run"
        )
    return named


def _families(only: list[str] | None) -> tuple[str, ...]:
    for name in only or ():
        if name not in FAMILIES:
            raise typer.BadParameter(f"must be one of {', '.join(FAMILIES)}, got {name!r}", param_hint="--only")
    return tuple(name for name in FAMILIES if not only or name in only)


def _sizes(windows: str) -> tuple[int, ...]:
    parts = [part.strip() for part in windows.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(
            f"must be whole numbers above 0 apart by commas, as in 1,2,5, got {windows!r}", param_hint="--windows"
        )
    return tuple(sorted({int(part) for part in parts}))
