"""Changes of speed as a table for the terminal, and a line that sums them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from timernn_suite.speed.report import short_name
from timernn_suite.speed.verdict import Change, Verdict

_COLOURS = {Verdict.SLOWER: "bold red", Verdict.FASTER: "green", Verdict.SAME: "dim", Verdict.UNSURE: "yellow"}
#: By shape and implementation: the change, or why there is none.
Changes = Mapping[tuple[str, str], Change | str]


def change_table(title: str, changes: Changes) -> Table:
    """Return one row a shape and implementation: verdict, ratio, and the interval that the ratio lies in."""
    table = Table(title=title)
    for heading in ("shape", "implementation", "verdict"):
        table.add_column(heading)
    for heading in ("new / old", "least", "most"):
        table.add_column(heading, justify="right")
    for (shape, implementation), change in changes.items():
        named = (shape, escape(short_name(implementation)))
        if isinstance(change, str):
            table.add_row(*named, f"[red]failed: {escape(change)}[/]")
        else:
            said = f"[{_COLOURS[change.verdict]}]{change.verdict}[/]"
            table.add_row(*named, said, *(f"{figure:.2f}" for figure in (change.ratio, *change.interval)))
    return table


def change_line(changes: Changes, threshold: float) -> str:
    """Return how many of each verdict there are, and what to do about those that can't be told."""
    found = Counter("failed" if isinstance(change, str) else str(change.verdict) for change in changes.values())
    line = ", ".join(f"{number} {verdict}" for verdict, number in found.items())
    line += f". A ratio of {threshold:g} or more matters, or 1/{threshold:g} or less."
    if found[Verdict.UNSURE]:
        line += " Can't tell: the ratio may lie on either side of what matters. More pairs narrow it down."
    return line


def since_table(title: str, ratios: Mapping[tuple[str, str], float | str]) -> Table:
    """Return one row a shape and implementation: how many times as long it takes as in an older run."""
    table = Table(title=title, caption="Of two single runs: nox -s bench-compare has the verdicts.")
    table.add_column("shape")
    table.add_column("implementation")
    table.add_column("times as long", justify="right")
    for (shape, implementation), ratio in ratios.items():
        shown = f"[red]{escape(ratio)}[/]" if isinstance(ratio, str) else f"{ratio:.2f}"
        table.add_row(shape, escape(short_name(implementation)), shown)
    return table
