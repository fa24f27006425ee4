"""Runs the mutants through pytest as a user would, several processes side by side, and prints the table at the end."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
#: Where the tests lie that are not part of the conformance suite.
FOLDERS = (HERE.parent / "workload", HERE.parent / "checker")
#: The modules of faulty backends, one for each kind of fault.
MODULES = (
    "state_mutants",
    "gradient_mutants",
    "layout_mutants",
    "numerics_mutants",
    "error_mutants",
    "concurrency_mutants",
)
_SPEC = re.compile(rf"\b(?:{'|'.join(MODULES)}|sound):\w+")
_LIMIT = 1000.0

# The mutants lie beside the tests and not in the package: nobody who installs timernn gets them.
sys.path.insert(0, str(HERE))
from sound import Sound  # noqa: E402
from until_killed import is_law  # noqa: E402
from workload_mutants import FAULTS, VARIABLE, Fault  # noqa: E402


def backend_mutants() -> dict[str, type[Sound]]:
    """Return every faulty backend by its ``module:Class``."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, Sound) and kind.__module__ == module.__name__:
                found[f"{module.__name__}:{name}"] = kind
    return found


@dataclass
class Verdict:
    """What became of one mutant: the tests that failed on it, and how long all its tests took.

    ``laws`` are those of the failed tests that compare no value with the oracle's.
    """

    failed: list[str] = field(default_factory=list)
    laws: list[str] = field(default_factory=list)
    passed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def killed_by(self, test: str) -> bool:
        """Whether a test failed, at any of its parameters."""
        return any(failed == test or failed.startswith(f"{test}[") for failed in self.failed)

    @property
    def tests(self) -> list[str]:
        """The failed tests without their parameters."""
        return list(dict.fromkeys(failed.partition("[")[0] for failed in self.failed))


def outcomes_of(arguments: Iterable[str], events: Path, **variables: str) -> list[dict]:
    """Run pytest in a process of its own and return the outcome of every test.

    Raises
    ------
    RuntimeError
        If the run did not come to its end; nothing may then be said of what it did not reach.
    """
    environment = os.environ | variables | {"TIMERNN_CHECK_EVENTS": str(events), "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        [*command, "-p", "timernn_suite.check.events"],
        cwd=events.parent,
        env=environment | {"OPENBLAS_NUM_THREADS": "1"},  # as many processes as cores
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with exit code {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr}")
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["event"] == "outcome"]


#: What is run on a faulty backend, until it is dead. Generated cases only on those that they are there for: they
#: are shrunk first, which takes its time.
FIXED, GENERATED = "not test_language_model and not test_generated", "test_generated"


def judge_backends(specs: list[str], folder: Path, keyword: str = FIXED) -> dict[str, Verdict]:
    """Run the part of the conformance suite that a keyword selects on faulty backends in one process."""
    named = [word for spec in specs for word in ("--rnn-backend", spec)]
    suite = ["--pyargs", "timernn_suite.conformance", "-k", keyword, "-p", "until_killed", "--assert=plain"]
    verdicts = {spec: Verdict() for spec in specs}
    for outcome in outcomes_of([*suite, *named], folder / "events.jsonl"):
        spec = _SPEC.search(outcome["test"])
        if spec is not None:
            count(outcome, verdicts[spec.group()])
    return verdicts


def judge_workload(fault: Fault, folder: Path) -> dict[str, Verdict]:
    """Run the test that must kill a fault of the workload, with the fault built in."""
    file, _, test = fault.killed_by.partition("::")
    where = [f"{folder / file}::{test}" for folder in FOLDERS if (folder / file).exists()]
    if not where:
        where = ["--pyargs", "timernn_suite.conformance", "-k", f"{file.removesuffix('.py')} and {test}"]
        where += ["--rnn-backend", "numpy"]
    verdict = Verdict()
    arguments = [*where, "-p", "workload_mutants"]
    for outcome in outcomes_of(arguments, folder / "events.jsonl", **{VARIABLE: fault.name}):
        count(outcome, verdict)
    return {fault.name: verdict}


def count(outcome: dict, verdict: Verdict) -> None:
    """Add one test's outcome to a verdict."""
    verdict.seconds += outcome["seconds"]
    if outcome["outcome"] == "failed":
        verdict.failed.append(outcome["test"])
        if is_law(outcome["test"], outcome["scores"]):
            verdict.laws.append(outcome["test"].partition("[")[0])
    else:
        verdict.passed += outcome["outcome"] == "passed"
        verdict.skipped += outcome["outcome"] == "skipped"


@pytest.fixture(scope="session")
def verdicts(request, tmp_path_factory) -> dict[str, Verdict]:
    """Return the verdict on every mutant that this run selects, by name."""
    items = [item for item in request.session.items if hasattr(item, "callspec")]
    selected = list(dict.fromkeys(item.callspec.params["mutant"] for item in items))  # each has several tests
    cores = os.cpu_count() or 1
    jobs: list[Callable[[], dict[str, Verdict]]] = []
    for keyword in (FIXED, GENERATED):
        specs = [name for name in selected if name not in FAULTS and keyword_for(name) == keyword]
        shares = [share for core in range(cores) if (share := specs[core::cores])]
        jobs += [partial(judge_backends, share, tmp_path_factory.mktemp("backends"), keyword) for share in shares]
    faults = [FAULTS[name] for name in selected if name in FAULTS]
    jobs += [partial(judge_workload, fault, tmp_path_factory.mktemp(fault.name)) for fault in faults]
    found: dict[str, Verdict] = {}
    with ThreadPoolExecutor(cores) as pool:
        for verdicts in pool.map(lambda job: job(), jobs):
            found |= verdicts
    request.config.stash[_verdicts] = found
    return found


_verdicts = pytest.StashKey[dict[str, Verdict]]()


def expected_killer(mutant: str) -> str:
    """Return the test that must kill a mutant."""
    return FAULTS[mutant].killed_by if mutant in FAULTS else backend_mutants()[mutant].killed_by


def keyword_for(mutant: str) -> str:
    """Return which part of the suite is run on a faulty backend."""
    return GENERATED if expected_killer(mutant).startswith("test_generated.py") else FIXED


def excuse(mutant: str) -> str:
    """Return why no law finds a mutant, or nothing."""
    return FAULTS[mutant].no_law if mutant in FAULTS else getattr(backend_mutants()[mutant], "no_law", "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print each mutant, what killed it, a law that did too, and how long its tests took."""
    found = config.stash.get(_verdicts, {})
    if not found:
        return
    terminalreporter.section("mutants")
    line = "{:34}  {:>7}  {:90}  {}".format
    terminalreporter.write_line(line("mutant", "seconds", "killed by", "and by the law"))
    dead = lawful = 0
    for name in sorted(found, key=lambda name: name.rpartition(":")):
        verdict, killer = found[name], expected_killer(name)
        killed = verdict.killed_by(killer)
        dead += killed
        lawful += bool(verdict.laws)
        law = killer if killer in verdict.laws else next(iter(verdict.laws), excuse(name))
        terminalreporter.write_line(
            line(
                name.rpartition(":")[2],
                f"{verdict.seconds:.1f}",
                killer if killed else f"SURVIVED {killer}",
                "(itself)" if law == killer else law,
            ),
            red=not killed,
        )
    terminalreporter.write_line(
        f"{dead} of {len(found)} mutants killed by the test that each names, {lawful} of them by a law "
        f"that compares no value with the oracle's",
        bold=True,
    )
