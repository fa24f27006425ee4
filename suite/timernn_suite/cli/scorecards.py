"""Scorecards on the terminal: a table by group, s by tensor, failures, and what changed since an older check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from timernn_suite.check import Outcome, Scorecard
from timernn_suite.check.compare import Change
from timernn_suite.check.scorecard import OUTCOMES, Score, ordered
from timernn_suite.cli.console import output
from timernn_suite.conformance.support.diagnosis import REPLAY
from timernn_suite.conformance.support.tolerance import LIMIT

#: Lines of a failure's message, and changes of a kind, that are shown; JSON has them all.
_LINES, _CHANGES = 9, 10
#: Tests that failed with the same message, and are named.
_ALIKE = 3
#: Messages of one test that are shown: its other parameters seldom say more.
_OF_A_TEST = 2
_COLOURS = {"newly failing": "red", "fails otherwise": "red", "s grew": "yellow", "newly passing": "green"}


def show(card: Scorecard) -> None:
    """Print a scorecard."""
    verdict = "[bold green]passed" if card.passed else "[bold red]FAILED"
    keyword = card.selection.keyword
    part = "" if keyword is None else f", of the tests that match {escape(keyword)!r} alone,"
    counts = card.counts()
    told = ", ".join(f"{counts[kind]} {kind}" for kind in OUTCOMES if counts[kind])
    title = f"{escape(card.backend)}: {verdict}[/]{part} in {card.seconds:.1f} s: {told}"
    table = Table(title=title, title_justify="left")
    table.add_column("group")
    for heading in ("passed", "failed", "skipped", "known", "seconds", "largest s"):
        table.add_column(heading, justify="right")
    for group in card.groups():
        counts, worst, bad = card.counts(group), card.largest_score(group), card.bad(group)
        table.add_row(
            group,  # what -k takes; what it promises is on the page and in the guide
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
    for reason, number in Counter(o.message for o in card.outcomes if o.outcome == "skipped").items():
        output.print(f"{number} skipped: {escape(reason or '')}", highlight=False, soft_wrap=True)
    _show_all_failures(card)
    if counts["not run"]:
        output.print(f"[red]{counts['not run']} not run:[/] the check ended before them", highlight=False)


def _show_all_failures(card: Scorecard) -> None:
    """Print the first failures of every test, by group in their order: those of an early one explain later ones."""
    alike: dict[str, list[Outcome]] = {}
    for group in ordered(failure.group for failure in card.failures):
        for failure in (found for found in card.failures if found.group == group):
            alike.setdefault(failure.message or failure.test, []).append(failure)
    shown, more = Counter[str](), Counter[str]()
    for message, failures in alike.items():
        test = failures[0].test.partition("[")[0]
        if shown[test] < _OF_A_TEST:
            _show_failures(message, failures)
            shown[test] += 1
        else:
            more[test] += len(failures)
    for test, number in more.items():
        output.print(
            f"and {number} more of {escape(test)}; --out and --json have them all", highlight=False, soft_wrap=True
        )


def _show_failures(message: str, failures: Sequence[Outcome]) -> None:
    """Print tests that failed with one and the same message."""
    for failure in failures[:_ALIKE]:
        output.print(f"[red]{failure.outcome}[/] {escape(failure.test)}", highlight=False, soft_wrap=True)
    if len(failures) > _ALIKE:
        output.print(f"and {len(failures) - _ALIKE} more tests", highlight=False)
    lines = message.splitlines()
    code = lines.index(REPLAY) if REPLAY in lines else len(lines)
    for line in [*lines[: min(code, _LINES)], *lines[code : code + 3]]:  # code is worth nothing when it is cut
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
