"""Scorecards on the terminal: a table by group, s by tensor, failures, and what changed since an older check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from timernn_suite.check import GROUPS, Scorecard
from timernn_suite.check.compare import Change
from timernn_suite.check.scorecard import Score
from timernn_suite.cli.console import output
from timernn_suite.conformance.support.tolerance import LIMIT

#: Lines of a failure's message, and changes of a kind, that are shown; JSON has them all.
_LINES, _CHANGES = 9, 10
_COLOURS = {"newly failing": "red", "fails otherwise": "red", "s grew": "yellow", "newly passing": "green"}


def show(card: Scorecard) -> None:
    """Print a scorecard."""
    verdict = "[bold green]passed" if card.passed else "[bold red]FAILED"
    table = Table(title=f"{escape(card.backend)}: {verdict}[/] in {card.seconds:.1f} s", title_justify="left")
    table.add_column("group")
    for heading in ("passed", "failed", "skipped", "known", "seconds", "largest s"):
        table.add_column(heading, justify="right")
    for group in card.groups():
        counts, worst, bad = card.counts(group), card.largest_score(group), card.bad(group)
        table.add_row(
            GROUPS.get(group, group),
            str(counts["passed"]),
            f"[red]{bad}" if bad else "0",
            str(counts["skipped"]),
            str(counts["known failure"]),
            f"{card.test_seconds(group):.1f}",
            f"{worst.shown} ({worst.tensor})" if worst else "",
        )
    output.print(table)
    scores = card.largest_scores().values()
    if scores:
        output.print(f"s by tensor: {_by_tensor(scores)}", highlight=False)
    for failure in card.failures:
        output.print(f"[red]{failure.outcome}[/] {escape(failure.test)}", highlight=False, soft_wrap=True)
        for line in (failure.message or "").splitlines()[:_LINES]:
            output.print(f"    {escape(line)}", highlight=False, soft_wrap=True)


def _by_tensor(scores: Iterable[Score]) -> str:
    texts = ((score.s > LIMIT, f"{escape(score.tensor)} {score.shown}") for score in scores)
    return " · ".join(f"[red]{text}[/]" if over else text for over, text in texts)


def show_changes(changes: Sequence[Change], since: str, console: Console) -> None:
    """Print what changed since an older check."""
    if not changes:
        console.print(f"nothing changed since {escape(since)}", highlight=False, soft_wrap=True)
        return
    table = Table("change", "backend", title=f"Changed since {escape(since)}", title_justify="left")
    table.add_column("what", overflow="fold")
    for kind, grouped in groupby(changes, key=lambda change: change.kind):
        alike, colour = list(grouped), _COLOURS.get(kind, "default")
        for change in alike[:_CHANGES]:
            what = f"{change.what}: {change.detail}" if change.what else change.detail
            table.add_row(f"[{colour}]{kind}", escape(change.backend), escape(what))
        if len(alike) > _CHANGES:
            table.add_row(f"[{colour}]{kind}", "", f"and {len(alike) - _CHANGES} more")
    console.print(table)
