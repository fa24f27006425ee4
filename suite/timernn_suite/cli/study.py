"""``timernn study``: experiments on truncated back-propagation through time, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from timernn import load_backend
from timernn_suite.cli.console import errors, output, print_json, progress_bar
from timernn_suite.cli.options import BackendName, CorpusName, Data, Json
from timernn_suite.corpus import load_corpus
from timernn_suite.studies import gradients, gradients_report, report_files, truncation, truncation_report

NAME = "study"
app = typer.Typer(
    name=NAME, help="Experiments on truncated BPTT: what it costs, and what it loses.", no_args_is_help=True
)
Quick = Annotated[bool, typer.Option("--quick", help="Fewer lengths and less text: a look, nothing to quote.")]
Seed = Annotated[int, typer.Option(min=0, help="Of weights and made-up text.")]


def _out(study: str) -> Any:
    return typer.Option(
        "--out", "-o", metavar="FOLDER", help=f"Also write {study}.json and {study}.png there.", show_default=False
    )


@app.command("truncation")
def truncation_command(
    backend: BackendName = None,
    corpus: CorpusName = None,
    lengths: Annotated[
        list[int] | None,
        typer.Option("--k", min=1, help="A block length. Repeatable.", show_default="1 2 5 10 20 35 50 100"),
    ] = None,
    full: Annotated[
        int | None, typer.Option("--full", min=2, metavar="T", help="Steps of full BPTT.", show_default="200")
    ] = None,
    delay: Annotated[int | None, typer.Option(min=2, help="Of the delayed copy, in steps.", show_default="10")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of training on the corpus.", show_default="2")] = None,
    seed: Seed = 0,
    quick: Quick = False,
    out: Annotated[Path | None, _out("truncation")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare truncated with full BPTT: gradient error, time, memory, and what is learnt, by block length k.

    Every k trains on the same tokens in the same number of updates. The delayed copy is a text in which a symbol
    returns after a fixed delay: a block shorter than that can't teach it.
    """
    given = {"blocks": lengths and tuple(sorted(set(lengths))), "T": full, "delay": delay, "epochs": epochs}
    try:
        settings = replace(
            truncation.QUICK if quick else truncation.Settings(),
            seed=seed,
            **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--k") from error
    engine = load_backend(backend)
    text = load_corpus(corpus or "markov", data=data, progress=True)
    _make_room(out)
    record = _with_progress(lambda tell: truncation.run(engine, text, settings, progress=tell))
    _finish(record, truncation_report.tables, truncation_report.draw, out, as_json)


@app.command("gradients")
def gradients_command(
    backend: BackendName = None,
    steps: Annotated[int, typer.Option(min=2, help="How far back, in steps.")] = 100,
    hidden: Annotated[int, typer.Option(min=2, metavar="H", help="Hidden size.")] = 64,
    max_norm: Annotated[float, typer.Option(help="The global norm that gradients are clipped to.")] = 1.0,
    seed: Seed = 0,
    out: Annotated[Path | None, _out("gradients")] = None,
    as_json: Json = False,
) -> None:
    """Follow gradients through time: how the norm of dL/dh(t−j) vanishes or explodes with j, and what clipping does.

    The recurrent weights are orthogonal with a gain, or Gaussian with a spectral radius; the loss is at the last step.
    """
    if not max_norm > 0:
        raise typer.BadParameter(f"must be more than 0, got {max_norm:g}", param_hint="--max-norm")
    settings = gradients.Settings(T=steps, H=hidden, max_norm=max_norm, seed=seed)
    engine = load_backend(backend)
    _make_room(out)
    record = _with_progress(lambda tell: gradients.run(engine, settings, progress=tell))
    _finish(record, gradients_report.tables, gradients_report.draw, out, as_json)


def _make_room(out: Path | None) -> None:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # what is wrong with it is said before the long work


def _with_progress(work: Callable[[truncation.Progress], dict[str, Any]]) -> dict[str, Any]:
    with progress_bar() as bar:
        task = bar.add_task("starting", total=None, note="")
        return work(lambda what, done, total: bar.update(task, description=escape(what), completed=done, total=total))


def _finish(
    record: dict[str, Any],
    tables: Callable[[Mapping[str, Any]], list[Table]],
    draw: Callable[[Mapping[str, Any], Path], None],
    out: Path | None,
    as_json: bool,
) -> None:
    if out is not None:
        for path in report_files.write(record, out, draw):
            errors.print(f"wrote {escape(str(path))}", highlight=False, soft_wrap=True)
    if as_json:
        print_json(record)
    else:
        for table in tables(record):
            output.print(table)
