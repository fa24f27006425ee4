"""Runs the mutants of one target: ``python run_mutants.py TARGET.toml SESSION.sqlite``, from the root of a copy.

It is cosmic-ray's ``init`` and ``exec`` with three things added: the operators of `operators`, mutants left out that
are none, and a line that says how far it is. What it has found is in the session, so that it may be interrupted at
any time and goes on with the next mutant; it begins anew if the sources or this target's tests have changed since.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cosmic_ray import plugins
from cosmic_ray.commands import init
from cosmic_ray.config import ConfigDict, load_config
from cosmic_ray.mutating import mutate_and_test, mutate_code
from cosmic_ray.tools.filters.operators_filter import OperatorsFilter
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult
from operators import Provider

plugins.OPERATOR_PROVIDERS["timernn"] = Provider()  # type: ignore[assignment]

#: A line about the progress every so many seconds.
EVERY = 15.0


class _WithoutAnnotations(ast.NodeTransformer):
    """Takes out what is never evaluated: annotations, and what is imported for them only."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
        return None if "TYPE_CHECKING" in names else self.generic_visit(node)


def meaning(source: str) -> str | None:
    """Return what Python makes of a source, annotations aside; None if it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
            compile(tree, "mutant", "exec")
        except (SyntaxError, ValueError):
            return None
    assert "from __future__ import annotations" in source, "its annotations are evaluated"
    return ast.dump(_WithoutAnnotations().visit(tree))


def mutated(mutation: MutationSpec, source: str) -> str:
    """Return the source with one mutation."""
    operator = plugins.get_operator(mutation.operator_name)(**mutation.operator_args)
    made: str | None = mutate_code(source, operator, mutation.occurrence)
    assert made is not None, mutation
    return made


def leave_out_what_is_no_mutant(db: WorkDB) -> None:
    """Mark as skipped, with the reason: what can't be compiled, changes annotations only, or was there before."""
    sources: dict[Path, str] = {}
    seen: dict[tuple[Path, str], str] = {}
    for item in sorted(db.pending_work_items, key=place):
        (mutation,) = item.mutations
        path = mutation.module_path
        if path not in sources:
            sources[path] = path.read_text(encoding="utf-8")
            seen[path, meaning(sources[path]) or ""] = "annotations only"
        now = meaning(mutated(mutation, sources[path]))
        reason = "no Python" if now is None else seen.get((path, now))
        if reason is None:
            seen[path, now or ""] = "same as another"
        else:
            db.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output=reason))


def place(item: WorkItem) -> tuple[str, tuple[int, int], str, int]:
    """Return what mutants are put in order by."""
    (mutation,) = item.mutations
    return str(mutation.module_path), mutation.start_pos, mutation.operator_name, mutation.occurrence


def prepare(config: ConfigDict, session: Path) -> None:
    """Make the list of all mutants."""
    unfinished = session.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with use_db(unfinished) as db:
        init([Path(path) for path in config["module-path"]], db, config.operators_config)
        excluded = config.sub("filters", "operators-filter").get("exclude-operators", ())
        OperatorsFilter()._skip_filtered(db, excluded)
        leave_out_what_is_no_mutant(db)
    unfinished.rename(session)


def check_the_operators() -> None:
    """See that the operators beyond cosmic-ray's own do what their examples say."""
    for name in plugins.OPERATOR_PROVIDERS["timernn"]:
        kind = plugins.get_operator(f"timernn/{name}")
        for example in kind.examples():
            made = mutate_code(example.pre_mutation_code, kind(), example.occurrence)
            assert made == example.post_mutation_code, f"{name}: {made!r} from {example.pre_mutation_code!r}"


def check_that_all_tests_pass(command: str) -> float:
    """Run the tests on what is not mutated, and return the seconds that they take."""
    begun = time.monotonic()
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the tests fail without any mutation:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return time.monotonic() - begun


def digest_of_all_that_matters(config_file: Path, command: str) -> str:
    """Return what changes with the sources, the tests that are run, what they share, or how mutants are made."""
    tests = [Path(word) for word in shlex.split(command) if Path(word).is_file()]
    shared = [*Path("suite/meta_tests").rglob("conftest.py"), *Path("suite/meta_tests/golden").iterdir()]
    sources = [*Path("impls").rglob("*"), *Path("suite/timernn_suite").rglob("*"), Path("pyproject.toml")]
    tools = [Path(__file__), Path(__file__).with_name("operators.py"), config_file]
    whole = hashlib.sha256()
    for path in sorted({path.resolve() for path in (*tests, *shared, *sources, *tools) if path.is_file()}):
        whole.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def run(config: ConfigDict, session: Path, known: dict[str, Any], facts: Path) -> None:
    """Run the tests on every mutant that has no result yet."""
    baseline = check_that_all_tests_pass(config.test_command)
    with use_db(session, WorkDB.Mode.open) as db:
        pending = sorted(db.pending_work_items, key=place)
        total = sum(result.worker_outcome != WorkerOutcome.SKIPPED for _, result in db.results) + len(pending)
        done, told = total - len(pending), time.monotonic()
        print(f"{session.stem}: {total} mutants, {done} done before; all tests take {baseline:.1f} s", flush=True)
        for item in pending:
            begun = time.monotonic()
            result = mutate_and_test(item.mutations, config.test_command, config.timeout)
            db.set_result(item.job_id, result)
            done += 1
            known["seconds"] += time.monotonic() - begun
            facts.write_text(json.dumps(known), encoding="utf-8")
            if result.test_outcome != TestOutcome.KILLED:
                (mutation,) = item.mutations
                print(f"{session.stem}: {result.test_outcome}: {mutation.module_path}:{mutation.start_pos[0]}")
                changed = [line for line in (result.diff or "").splitlines() if line[:1] in "+-"]
                print("\n".join(changed[3:]), flush=True)
            if time.monotonic() - told > EVERY or done == total:
                told = time.monotonic()
                left = known["seconds"] / done * (total - done) / 60
                print(f"{session.stem}: {done} of {total}, {left:.0f} min left", flush=True)


def main() -> None:
    """Go on with a session, or begin one."""
    check_the_operators()
    config_file, session = map(Path, sys.argv[1:])
    config, facts = load_config(config_file), session.with_suffix(".json")
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    # No corpus but what the tests make: the same tests on every machine, and quick ones.
    os.environ.pop("TIMERNN_DATA", None)
    os.environ["TIMERNN_CACHE"] = str(session.parent.absolute() / "no corpus")
    known = json.loads(facts.read_text(encoding="utf-8")) if facts.exists() and session.exists() else {}
    now = digest_of_all_that_matters(config_file, config.test_command)
    if known.get("digest") != now:
        session.unlink(missing_ok=True)
        command = " ".join(shlex.split(config.test_command))
        known = {"digest": now, "seconds": 0.0, "command": command, "tool": f"cosmic-ray {version('cosmic-ray')}"}
        prepare(config, session)
        facts.write_text(json.dumps(known), encoding="utf-8")
    run(config, session, known, facts)


if __name__ == "__main__":
    main()
