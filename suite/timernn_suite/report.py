"""The report of ``timernn run``: every backend judged, trained and timed; Markdown for people, JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timernn_suite.check import GROUPS, Document, Scorecard
from timernn_suite.check.page import page
from timernn_suite.files import replace_text
from timernn_suite.speed.compare import Comparison
from timernn_suite.speed.report import chart, markdown

CONFORMANCE_PAGE = "conformance.html"


@dataclass(frozen=True)
class Training:
    """What came of training one backend: the results in its manifest, or why there are none."""

    results: Mapping[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Report:
    """Everything that ``timernn run`` found out.

    Attributes
    ----------
    environment : mapping
        Versions, processor, threads.
    corpus : mapping
        The corpus' description; ``bound`` is the lowest perplexity that its test split honestly allows, where known.
    unavailable : mapping
        Backends that can't run here, and why.
    cards, trainings : mapping
        By backend.
    comparisons : sequence of Comparison
        Speed, with the textbook loop as ``baseline``.
    """

    environment: Mapping[str, Any]
    corpus: Mapping[str, Any]
    unavailable: Mapping[str, str]
    cards: Mapping[str, Scorecard]
    trainings: Mapping[str, Training]
    comparisons: Sequence[Comparison]
    baseline: str

    @property
    def passed(self) -> bool:
        """Whether every backend that can run here keeps the contract and could be trained."""
        judged = all(card.passed for card in self.cards.values())
        return judged and all(training.error is None for training in self.trainings.values())

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return {
            "passed": self.passed,
            "environment": dict(self.environment),
            "corpus": dict(self.corpus),
            "unavailable": dict(self.unavailable),
            "checks": {name: card.as_record() for name, card in self.cards.items()},
            "trainings": {
                name: training.results if training.error is None else {"error": training.error}
                for name, training in self.trainings.items()
            },
            "speed": {
                "baseline": self.baseline,
                "shapes": {comparison.shape.name: comparison.as_record() for comparison in self.comparisons},
            },
        }

    def as_markdown(self, pictures: Mapping[str, str]) -> str:
        """Return the report for people; ``pictures`` maps captions to file names beside it."""
        parts = [
            "# timernn report",
            f"Verdict: **{'passed' if self.passed else 'FAILED'}**",
            self._summary(),
            *(f"{name} can't run here: {reason}" for name, reason in self.unavailable.items()),
            "## Conformance",
            f"[Side by side, with every message and s by tensor]({CONFORMANCE_PAGE})",
            *(_conformance(card) for card in self.cards.values()),
            "## Language model",
            self._language_model(),
            "## Speed",
            "Median milliseconds of forward and backward, or of a whole training step where there is a vocabulary, "
            "then how many times as fast as the plain textbook loop, and from least to most over the rounds. "
            "Each implementation ran in a process of its own, in turns.",
            markdown(self.comparisons, self.baseline),
            *(f"![{caption}]({file})" for caption, file in pictures.items()),
            "## Environment",
            "```json\n" + json.dumps(dict(self.environment), indent=1) + "\n```",
        ]
        return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"

    def write(self, folder: Path, pictures: Mapping[str, str]) -> None:
        """Write ``report.json``, ``report.md``, ``conformance.html`` and the chart ``speed.png`` into ``folder``."""
        if self.comparisons:
            chart(self.comparisons, self.baseline, folder / "speed.png")
            pictures = {**pictures, "speed beside the textbook loop": "speed.png"}
        document = Document(list(self.cards.values()), self.environment)
        replace_text(folder / CONFORMANCE_PAGE, page(document))
        replace_text(folder / "report.json", json.dumps(self.as_record(), indent=1, ensure_ascii=False) + "\n")
        replace_text(folder / "report.md", self.as_markdown(pictures))

    def _summary(self) -> str:
        lines = ["| backend | conformance | test perplexity | speed beside the textbook loop |", "|---|---|---|---|"]
        for name, card in self.cards.items():
            counts = card.counts()
            total = sum(counts.values()) - counts["skipped"]
            verdict = f"{counts['passed']} of {total} passed"
            lines.append(f"| {name} | {verdict} | {self._perplexity(name)} | {self._speed(name)} |")
        return "\n".join(lines)

    def _perplexity(self, name: str) -> str:
        training = self.trainings.get(name)
        if training is None or training.results is None:
            return "–"
        bound = self.corpus.get("bound")
        known = f" (bound {bound:.2f})" if bound else ""
        return f"{training.results['test']['perplexity']:.2f}{known}"

    def _speed(self, name: str) -> str:
        ratios = [ratio[0] for c in self.comparisons if (ratio := c.ratio(self.baseline, name)) is not None]
        return f"{min(ratios):.2f}× to {max(ratios):.2f}×" if ratios else "–"

    def _language_model(self) -> str:
        corpus = self.corpus
        lines = [
            f"Corpus: {corpus['source']}, {corpus['V']:,} types, {corpus['tokens']['train']:,} training tokens. "
            f"Perplexity of the test split's {corpus['tokens']['test']:,} tokens."
        ]
        if corpus.get("bound"):
            lines[0] += (
                f" No honest model can stay below {corpus['bound']:.2f}, the perplexity of the source's own "
                f"probabilities on that split."
            )
        lines += ["", "| backend | epochs | seconds | valid | test | protocol |", "|---|---|---|---|---|---|"]
        for name, training in self.trainings.items():
            if training.results is None:
                lines.append(f"| {name} | failed: {training.error} | | | | |")
                continue
            results = training.results
            lines.append(
                f"| {name} | {results['epochs']} | {results['seconds']:.1f} | {results['valid']['perplexity']:.2f} | "
                f"{results['test']['perplexity']:.2f} | {results['test']['protocol']} |"
            )
        return "\n".join(lines)


def _conformance(card: Scorecard) -> str:
    lines = [f"### {card.backend}", "", "| group | passed | failed | skipped | largest s |", "|---|---|---|---|---|"]
    for group in card.groups():
        counts, worst = card.counts(group), card.largest_score(group)
        largest = worst.shown if worst else ""
        title = GROUPS.get(group, group)
        lines.append(f"| {title} | {counts['passed']} | {card.bad(group)} | {counts['skipped']} | {largest} |")
    for failure in card.failures:
        lines.append(f"\n- {failure.outcome}: `{failure.test}` {failure.headline}")
    return "\n".join(lines)
