"""What a check found: every test's outcome, summed up by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: The groups of the suite by file, in the order in which they are shown, and what each promises.
GROUPS = {
    "test_contract.py": "Contract: names and signatures",
    "test_values.py": "Values and gradients against the oracle",
    "test_gradients.py": "Numerical gradients through the backend alone",
    "test_state.py": "State and truncation",
    "test_ownership.py": "Ownership of arrays",
    "test_layout.py": "Layout: times, rows, views, byte order",
    "test_numerics.py": "Numerics: NaN and infinity",
    "test_errors.py": "Errors for bad input",
    "test_threads.py": "Threads and repeats",
    "test_optimisers.py": "Clipping, SGD, Adam",
    "test_generated.py": "Generated cases",
    "test_language_model.py": "Language model and perplexity",
}
#: The outcomes that don't count against a backend.
GOOD = frozenset({"passed", "skipped", "known failure"})


@dataclass(frozen=True)
class Outcome:
    """One test: ``passed``, ``failed``, ``skipped``, ``known failure``, ``not run``, or what ended its process.

    Those are ``crashed``, ``hung``, ``out of memory`` and ``flooded``; the message then begins with CRASH(signal),
    HANG, OOM or FLOOD, and ends with the stack.
    """

    test: str
    outcome: str
    seconds: float = 0.0
    message: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The file that the test is in."""
        return self.test.partition("::")[0]

    @property
    def bad(self) -> bool:
        """Whether it counts against the backend."""
        return self.outcome not in GOOD


@dataclass(frozen=True)
class Scorecard:
    """All outcomes of one backend.

    Attributes
    ----------
    backend : str
        As it was asked for.
    outcomes : sequence of Outcome
        In the order in which they ran.
    seconds : float
        Wall-clock time of the whole check.
    """

    backend: str
    outcomes: Sequence[Outcome]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing counts against the backend."""
        return any(o.outcome == "passed" for o in self.outcomes) and not any(o.bad for o in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that count against the backend, save those that were never reached."""
        return [outcome for outcome in self.outcomes if outcome.bad and outcome.outcome != "not run"]

    def counts(self, group: str | None = None) -> Counter[str]:
        """Return how many tests had each outcome, of one group or of all."""
        return Counter(o.outcome for o in self.outcomes if group in (None, o.group))

    def bad(self, group: str | None = None) -> int:
        """Return how many outcomes count against the backend, of one group or of all."""
        return sum(o.bad for o in self.outcomes if group in (None, o.group))

    def largest_scores(self, group: str | None = None) -> dict[str, float]:
        """Return each tensor's largest score s: its distance from the oracle in units of what rounding explains."""
        largest: dict[str, float] = {}
        for outcome in self.outcomes:
            if group in (None, outcome.group):
                for tensor, score in outcome.scores.items():
                    largest[tensor] = max(score, largest.get(tensor, 0.0))
        return dict(sorted(largest.items()))

    def groups(self) -> list[str]:
        """Return the groups that occur, known ones first and in their order."""
        found = list(dict.fromkeys(outcome.group for outcome in self.outcomes))
        return [group for group in GROUPS if group in found] + [group for group in found if group not in GROUPS]

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return {
            "backend": self.backend,
            "passed": self.passed,
            "seconds": round(self.seconds, 2),
            "counts": dict(self.counts()),
            "largest_score": max(self.largest_scores().values(), default=None),
            "groups": {
                group.removeprefix("test_").removesuffix(".py"): {
                    "title": GROUPS.get(group, group),
                    "counts": dict(self.counts(group)),
                    "largest_scores": {name: round(score, 3) for name, score in self.largest_scores(group).items()},
                }
                for group in self.groups()
            },
            "failures": [{"test": o.test, "outcome": o.outcome, "message": o.message} for o in self.failures],
        }
