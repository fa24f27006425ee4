"""``timernn bench``: every implementation timed in turns, beside its peers and the limit of matrix products."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from timernn import backend_statuses, load_backend
from timernn_suite.cli.console import errors, output, print_json, progress_bar
from timernn_suite.cli.options import Json
from timernn_suite.provenance import environment
from timernn_suite.speed import BLOCKS, STEPS, compare
from timernn_suite.speed.against import read_bench, require_like, since
from timernn_suite.speed.bench import Bench
from timernn_suite.speed.bench_files import write
from timernn_suite.speed.bench_text import failures, label, summary_line, table
from timernn_suite.speed.change_text import since_table
from timernn_suite.speed.compare import Comparison
from timernn_suite.speed.limit import LIMIT
from timernn_suite.speed.peers import PEERS
from timernn_suite.speed.shapes import Block, Step, shape_named
from timernn_suite.speed.sweeps import measure

NAME = "bench"
TEXTBOOK = "textbook"
#: Rounds and the seconds of a turn: for a figure that is to be quoted, and for a look.
FULL, QUICK = (7, 0.4), (3, 0.05)
#: What a look is at: shapes of every kind, none of which takes a second anywhere.
QUICK_SHAPES = ("toy", "small", "stream", "medium", "small model")


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Backends, module:Class, peer:torch, peer:jax, peer:jax-adjoint, textbook; by default all that run.",
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this shape, or a block of sizes N,T,D,H. Repeatable."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of each implementation.", show_default="one a core")
    ] = None,
    dtype: Annotated[str, typer.Option(metavar="TYPE", help="float32 or float64.")] = "float32",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns of each implementation on each shape.", show_default=str(FULL[0]))
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="Length of a turn.", show_default=str(FULL[1]))] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few and short turns on five shapes, no curves: a look, nothing to quote.")
    ] = False,
    curves: Annotated[
        bool | None,
        typer.Option(
            "--curves/--no-curves",
            help="Also time and memory against each size.",
            show_default="on, without --quick and --shape",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Also write bench.json, bench.md, bench.svg and bench.png there, and curves, over older ones.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also show how many times as long as in an older bench.json everything takes."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare --against even one of another machine, libraries or settings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Time implementations in turns, each in a process of its own, and hold them against peers and the limit.

    The limit is the time of the matrix products alone, at the rate of one large product measured in between.
    Quote ratios: milliseconds change from machine to machine and from hour to hour.
    """
    shapes = _shapes(shape or (list(QUICK_SHAPES) if quick else None))
    if dtype not in ("float32", "float64"):
        raise typer.BadParameter(f"{dtype!r} is neither float32 nor float64", param_hint="--dtype")
    backends, peers, others, missing = _chosen(names)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # what is wrong with it is said before the long work
    if os.environ.get("OPENBLAS_CORETYPE"):
        errors.print("[yellow]warning:[/] OPENBLAS_CORETYPE is set: NumPy may run another processor's kernels")
    for name, reason in missing.items():
        errors.print(f"[yellow]{escape(name)} is left out:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    older = read_bench(against) if against is not None else None
    usual = QUICK if quick else FULL
    settings: dict[str, Any] = {
        "threads": threads or os.cpu_count() or 1,
        "dtype": dtype,
        "rounds": rounds or usual[0],
        "seconds": usual[1] if seconds is None else seconds,
    }
    here = environment()
    if older is not None and not force:
        require_like(older, here, settings)  # what can't be compared is said before the work
    comparisons, descriptions = _time([*backends, *peers, *others, LIMIT], shapes, settings)
    wanted = not quick and not shape if curves is None else curves
    costs = _curves([*backends, *peers], settings) if wanted and (backends or peers) else {}
    bench = Bench(comparisons, backends, peers, descriptions, here, settings, missing, costs)
    if out is not None:
        write(bench, out)
        errors.print(f"wrote {escape(str(out / 'bench.md'))}", highlight=False, soft_wrap=True)
    record = bench.as_record()
    ratios = {} if older is None else since(older, record)
    if as_json:
        against_it = {f"{shape}, {name}": ratio for (shape, name), ratio in ratios.items()}
        print_json(record | ({"times_as_long_as_before": against_it} if ratios else {}))
    else:
        _show(bench)
        if ratios:
            output.print(since_table(f"against {against}", ratios))


def _shapes(texts: list[str] | None) -> list[Block | Step]:
    if not texts:
        return [*BLOCKS, *STEPS]
    try:
        return list(dict.fromkeys(map(shape_named, texts)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shape") from error


def _chosen(names: list[str] | None) -> tuple[list[str], list[str], list[str], dict[str, str]]:
    """Return backends, peers and others that are to be timed, and what can't be, with the reason."""
    statuses = backend_statuses()
    absent = {name: f"{peer.library} isn't installed" for name, peer in PEERS.items() if not peer.installed}
    if not names:
        missing = {status.name: str(status.reason) for status in statuses if not status.available} | absent
        backends = [status.name for status in statuses if status.available]
        return backends, [name for name in PEERS if name not in absent], [TEXTBOOK], missing
    names = list(dict.fromkeys(names))
    registered = [status.name for status in statuses]
    for name in names:
        if name in absent:
            raise typer.BadParameter(f"{name}: {absent[name]}")
        is_class = ":" in name and not name.startswith("peer:")
        if not is_class and name not in [*registered, *PEERS, TEXTBOOK]:
            there = ", ".join([*registered, *PEERS, TEXTBOOK])
            raise typer.BadParameter(f"no implementation is called {name!r}; there are {there} (or give module:Class)")
    peers, others = [name for name in names if name in PEERS], [name for name in names if name == TEXTBOOK]
    backends = [name for name in names if name not in [*peers, *others]]
    for name in backends:
        load_backend(name)  # one that was asked for and can't run is an error before any work is done
    return backends, peers, others, {}


def _time(
    names: list[str], shapes: list[Block | Step], settings: dict[str, Any]
) -> tuple[list[Comparison], dict[str, Any]]:
    with progress_bar() as bar:
        task = bar.add_task("timing", total=len(shapes), note="starting")
        order = [shape.name for shape in shapes]

        def tell(shape: str, name: str, turn: int) -> None:
            which = f"round {turn} of {settings['rounds']}" if turn else "first call"
            bar.update(task, completed=order.index(shape), note=escape(f"{shape}: {label(name)}, {which}"))

        return compare(names, shapes, progress=tell, **settings)


def _curves(names: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    with progress_bar() as bar:
        task = bar.add_task("cost curves", total=None, note="")
        return measure(
            names,
            threads=settings["threads"],
            dtype=settings["dtype"],
            progress=lambda what, name: bar.update(task, note=escape(f"{what}: {label(name)}")),
        )


def _show(bench: Bench) -> None:
    output.print(table(bench))
    for line in failures(bench):
        output.print(f"[red]failed[/] {escape(line)}", highlight=False, soft_wrap=True)
    output.print(summary_line(bench), highlight=False, soft_wrap=True)
