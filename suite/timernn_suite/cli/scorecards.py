"""Scorecards on the terminal: a table by group, s by tensor, failures."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from timernn_suite.check import GROUPS, Scorecard
from timernn_suite.check.scorecard import Score
from timernn_suite.cli.console import output
from timernn_suite.conformance.support.tolerance import LIMIT

#: Lines of a failure's message that are shown; JSON has them all.
_LINES = 9


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
