"""A benchmark as text: a table for the terminal, and Markdown for a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from timernn_suite.speed.bench import Bench, beside, fastest, limit_of, times_limit
from timernn_suite.speed.compare import Comparison, Spread
from timernn_suite.speed.limit import LIMIT, gflops_per_second
from timernn_suite.speed.report import short_name

HEADINGS = ("ms (least–most)", "× limit", "× best peer", "MiB", "first ms")
EXPLANATION = (
    "Median milliseconds of forward and backward, or of a whole training step where there is a vocabulary V, with the "
    "least and most over the rounds; how many times the limit that is, the matrix products alone at the rate of a "
    "1024³ product; how many times as fast as the fastest peer on that shape, the median of paired rounds; the most "
    "memory its process held; the first call, which compiles. Each implementation ran in a process of its own, in "
    "turns."
)


def label(name: str) -> str:
    """Return a name that fits a column; a peer keeps its prefix, since a backend may have the same library."""
    return name if name.startswith("peer:") else short_name(name)


def number(value: float) -> str:
    """Return three figures that count, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def sizes(comparison: Comparison) -> str:
    """Return the shape's sizes in a few characters."""
    request = comparison.shape.as_request()
    return " ".join(f"{key}{request[key]}" for key in ("N", "T", "D", "H", "V") if key in request)


def limit_line(comparison: Comparison) -> str:
    """Return the shape's limit, and the rate that it follows from."""
    limit = limit_of(comparison)
    if limit is None:
        return "no limit measured"
    return f"limit {number(limit[0])} ms, {gflops_per_second(comparison.of(LIMIT).milliseconds):,.0f} GFLOP/s"


def _ratio(ratio: Spread | None) -> str:
    return "–" if ratio is None else f"{ratio[0]:.2f}"


def cells(bench: Bench, comparison: Comparison, name: str) -> list[str]:
    """Return what stands under `HEADINGS` for one implementation on one shape."""
    measured = comparison.of(name)
    if not measured.rounds:
        return ["failed", "–", "–", "–", "–"]
    return [
        f"{number(measured.milliseconds)} ({number(min(measured.rounds))}–{number(max(measured.rounds))})",
        _ratio(times_limit(comparison, name)),
        _ratio(beside(comparison, name, bench.peers)),
        "–" if measured.peak_kib is None else f"{measured.peak_kib / 1024:,.0f}",
        "–" if measured.first_call is None else number(measured.first_call),
    ]


def failures(bench: Bench) -> list[str]:
    """Return a line for every cell that has no figure."""
    return [
        f"{label(name)} on {comparison.shape.name}: {comparison.of(name).error}"
        for comparison in bench.comparisons
        for name in bench.implementations
        if comparison.of(name).error
    ]


def table(bench: Bench) -> Table:
    """Return the table for the terminal, one row a shape with a line for each implementation; the fastest is bold."""
    made = Table(title="Forward and backward, or a training step", title_justify="left", show_lines=True)
    made.add_column("shape", no_wrap=True)
    made.add_column("implementation", overflow="ellipsis", no_wrap=True, max_width=16)
    for heading in HEADINGS:
        made.add_column(heading, justify="right", no_wrap=True)
    for comparison in bench.comparisons:
        best = fastest(comparison, bench.implementations)
        columns: list[list[str]] = [[] for _ in range(1 + len(HEADINGS))]
        for name in bench.implementations:
            for column, text in zip(columns, [label(name), *cells(bench, comparison, name)], strict=True):
                column.append(f"[bold]{escape(text)}[/]" if name == best else escape(text))
        what = f"{comparison.shape.name}\n" if comparison.shape.name not in sizes(comparison) else ""
        first = f"{what}{sizes(comparison)}\n[dim]{limit_line(comparison).replace(', ', chr(10))}[/]"
        made.add_row(first, *("\n".join(column) for column in columns))
    return made


def summary_line(bench: Bench) -> str:
    """Return the best backend against the best peer in a sentence."""
    summary = bench.summary()
    if summary is None:
        return "No backend and peer were timed on the same block, so there is no summary."
    return (
        f"Best backend against best peer over {summary['blocks']} block shapes: geometric mean "
        f"{summary['geometric_mean']:.2f}×, smallest {summary['smallest']:.2f}× ({summary['smallest_on']})."
    )


def markdown(bench: Bench, pictures: Mapping[str, str], more: Sequence[str] = ()) -> str:
    """Return the report for people; ``pictures`` maps captions to file names beside it, ``more`` are further parts."""
    rows = ["| shape | limit | implementation | " + " | ".join(HEADINGS) + " |", "|" + "---|" * (3 + len(HEADINGS))]
    for comparison in bench.comparisons:
        best = fastest(comparison, bench.implementations)
        for name in bench.implementations:
            texts = [label(name), *cells(bench, comparison, name)]
            texts = [f"**{text}**" if name == best else text for text in texts]
            rows.append(
                f"| {comparison.shape.name}: {sizes(comparison)} | {limit_line(comparison)} | {' | '.join(texts)} |"
            )
    settings = ", ".join(f"{key} {value}" for key, value in bench.settings.items())
    parts = [
        "# timernn bench",
        summary_line(bench),
        f"Settings: {settings}.",
        *(f"{name} can't run here: {reason}." for name, reason in bench.missing.items()),
        "## Shapes",
        EXPLANATION,
        "\n".join(rows),
        *(f"- {line}" for line in failures(bench)),
        *(f"![{caption}]({file})" for caption, file in pictures.items()),
        *more,
        "## Implementations",
        "```json\n" + json.dumps(dict(bench.descriptions), indent=1) + "\n```",
        "## Environment",
        "```json\n" + json.dumps(dict(bench.environment), indent=1) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"
