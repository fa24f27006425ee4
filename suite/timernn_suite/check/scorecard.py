"""What a check found: every test's outcome, summed up by group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

from timernn_suite.check.worker import Limits, Selection

#: Of the records that are written and read here; scorecard.schema.json says what is in them.
SCHEMA = 1

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
    "test_model_options.py": "Language model: tied weights, dropout, stacks",
    "test_model_gradients.py": "Language model: gradients with every option",
}
#: Every outcome that there is; those that don't count against a backend come first.
OUTCOMES = (
    *("passed", "skipped", "known failure"),
    *("failed", "crashed", "hung", "out of memory", "flooded", "not run"),
)
GOOD = frozenset(OUTCOMES[:3])


class Score(NamedTuple):
    """A tensor's distance s from the oracle, in units of what rounding explains, and the test that measured it."""

    s: float
    tensor: str
    test: str

    @property
    def shown(self) -> str:
        """The figure for people."""
        if not math.isfinite(self.s):
            return "∞"
        return f"{self.s:.2f}" if self.s < 1000 else f"{self.s:.1e}"

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record; JSON has no infinity, so that is null."""
        return {"s": _finite(self.s), "tensor": self.tensor, "test": self.test}


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
    cases: int | None = None  # how many generated ones it went through

    @property
    def group(self) -> str:
        """The file that the test is in."""
        return self.test.partition("::")[0]

    @property
    def bad(self) -> bool:
        """Whether it counts against the backend."""
        return self.outcome not in GOOD

    @property
    def headline(self) -> str:
        """The message's first line; what ended a process is said there, and its stack below."""
        return (self.message or "").partition("\n")[0].removesuffix(", in")

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record, without what is empty."""
        record: dict[str, Any] = {"test": self.test, "outcome": self.outcome, "seconds": self.seconds}
        if self.message is not None:
            record["message"] = self.message
        if self.scores:
            record["scores"] = {tensor: _finite(score) for tensor, score in self.scores.items()}
        if self.cases is not None:
            record["cases"] = self.cases
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return what ``as_record`` made a record of."""
        scores = {tensor: math.inf if score is None else score for tensor, score in record.get("scores", {}).items()}
        seconds, message, cases = record["seconds"], record.get("message"), record.get("cases")
        return cls(record["test"], record["outcome"], seconds, message, scores, cases)


def _finite(score: float) -> float | None:
    return round(score, 3) if math.isfinite(score) else None


def ordered(groups: Iterable[str]) -> list[str]:
    """Return groups once each, known ones first and in their order."""
    found = list(dict.fromkeys(groups))
    return [group for group in GROUPS if group in found] + [group for group in found if group not in GROUPS]


def group_name(group: str) -> str:
    """Return the short name of a group."""
    return group.removeprefix("test_").removesuffix(".py")


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
    limits : Limits
        What the backend was allowed to use.
    selection : Selection
        Which tests were asked for.
    about : mapping or None
        What the backend says of itself: ``name``, ``dtypes``, ``describe``, and ``from``, the distribution that
        registered it. None if it never got as far.
    """

    backend: str
    outcomes: Sequence[Outcome]
    seconds: float
    limits: Limits = field(default_factory=Limits)
    selection: Selection = field(default_factory=Selection)
    about: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing counts against the backend."""
        return any(o.outcome == "passed" for o in self.outcomes) and not self.bad()

    @property
    def failures(self) -> list[Outcome]:
        """The outcomes that count against the backend, save those that were never reached."""
        return [outcome for outcome in self.outcomes if outcome.bad and outcome.outcome != "not run"]

    def of(self, group: str | None = None) -> list[Outcome]:
        """Return the outcomes of one group or of all."""
        return [outcome for outcome in self.outcomes if group in (None, outcome.group)]

    def counts(self, group: str | None = None) -> Counter[str]:
        """Return how many tests had each outcome, of one group or of all."""
        return Counter(outcome.outcome for outcome in self.of(group))

    def bad(self, group: str | None = None) -> int:
        """Return how many outcomes count against the backend, of one group or of all."""
        return sum(outcome.bad for outcome in self.of(group))

    def test_seconds(self, group: str | None = None) -> float:
        """Return how long the tests of one group or of all took."""
        return sum(outcome.seconds for outcome in self.of(group))

    def cases(self) -> int:
        """Return how many generated cases there were, over all element types."""
        return sum(outcome.cases or 0 for outcome in self.outcomes)

    def largest_scores(self, group: str | None = None) -> dict[str, Score]:
        """Return each tensor's largest score."""
        largest: dict[str, Score] = {}
        for outcome in self.of(group):
            for tensor, s in outcome.scores.items():
                score = Score(s, tensor, outcome.test)
                largest[tensor] = max(largest.get(tensor, score), score)
        return dict(sorted(largest.items()))

    def largest_score(self, group: str | None = None) -> Score | None:
        """Return the largest score of all tensors; None where no test measured one."""
        return max(self.largest_scores(group).values(), default=None)

    def groups(self) -> list[str]:
        """Return the groups that occur."""
        return ordered(outcome.group for outcome in self.outcomes)

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record: every test, and what can be summed up from them."""
        return {
            "schema": SCHEMA,
            "backend": self.backend,
            "about": None if self.about is None else dict(self.about),
            "passed": self.passed,
            "selection": asdict(self.selection),
            "limits": asdict(self.limits),
            **self._sums(None, self.seconds),
            "groups": {
                group_name(group): {"title": GROUPS.get(group, group)} | self._sums(group, self.test_seconds(group))
                for group in self.groups()
            },
            "tests": [outcome.as_record() for outcome in self.outcomes],
        }

    def _sums(self, group: str | None, seconds: float) -> dict[str, Any]:
        counts = self.counts(group)
        return {
            "seconds": round(seconds, 2),
            "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
            "largest_scores": [score.as_record() for score in self.largest_scores(group).values()],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return what ``as_record`` made a record of; sums are made anew."""
        outcomes = [Outcome.from_record(test) for test in record["tests"]]
        limits, selection = Limits(**record["limits"]), Selection(**record["selection"])
        return cls(record["backend"], outcomes, record["seconds"], limits, selection, record["about"])
