"""Sums the sessions up: ``python report.py SESSIONS OUT.json COMMIT TARGET…``; exit code 1 if one is not in order.

Needs nothing but Python: a session is a file of SQLite. What may survive is declared in ``equivalents.toml``.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: The least share of the mutants that aren't equivalent that must be killed, in each target.
LEAST = 0.95


@dataclass(frozen=True)
class Mutant:
    """One mutant and what became of it: ``killed``, ``timeout``, ``survived``, ``pending`` or ``broken``."""

    file: str
    line: int
    where: str
    old: str
    new: str
    outcome: str


@dataclass(frozen=True)
class Declared:
    """A mutant that may survive, and why.

    Attributes
    ----------
    file, old, new : str
        The file's path and the changed lines, before and after; white space doesn't count.
    where : str or None
        The function in which the lines stand, where they stand in several.
    kind : str
        ``equivalent``: no test can tell it from the original; ``accepted``: one could, and it counts as alive.
    reason : str
        Why.
    """

    file: str
    old: str
    new: str
    reason: str
    kind: str = "equivalent"
    where: str | None = None

    def means(self, mutant: Mutant) -> bool:
        """Whether this is the mutant that is declared."""
        same = (self.file, plain(self.old), plain(self.new)) == (mutant.file, plain(mutant.old), plain(mutant.new))
        return same and self.where in (None, mutant.where)


@dataclass
class Verdict:
    """What the sessions say of all targets, and what is wrong with it."""

    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    survivors: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def plain(lines: str) -> str:
    """Return lines without their indentation and breaks."""
    return " ".join(lines.split())


def changed_lines(diff: str) -> tuple[str, str]:
    """Return the lines that a unified diff takes out and puts in."""
    lines = [line for line in diff.splitlines() if line[:1] in {"+", "-"} and line[:3] not in {"+++", "---"}]
    old, new = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return old, new


def read(session: Path) -> tuple[list[Mutant], Counter[str]]:
    """Return a session's mutants, and how many were left out beforehand by reason."""
    query = """
        select module_path, start_pos_row, definition_name, diff, worker_outcome, test_outcome, output
        from mutation_specs left join work_results using (job_id)
        order by module_path, start_pos_row, start_pos_col, operator_name, occurrence
    """
    mutants, left_out = [], Counter[str]()
    connection = sqlite3.connect(session)
    try:
        rows = connection.execute(query).fetchall()
    finally:
        connection.close()
    for file, line, where, diff, worker, test, output in rows:
        if worker == "SKIPPED":
            left_out[output] += 1
            continue
        outcome = {"KILLED": "killed", "SURVIVED": "survived", None: "pending"}.get(test, "broken")
        if outcome == "killed" and output == "timeout":
            outcome = "timeout"
        mutants.append(Mutant(file, line, where or "", *changed_lines(diff or ""), outcome))
    return mutants, left_out


def judge(targets: dict[str, list[Mutant]], declared: list[Declared]) -> Verdict:
    """Count, and complain of what isn't explained, isn't finished, or is declared and isn't so."""
    verdict = Verdict()
    for name, mutants in targets.items():
        count = Counter(mutant.outcome for mutant in mutants)
        kinds: Counter[str] = Counter()
        for mutant in mutants:
            if mutant.outcome in {"pending", "broken"}:
                verdict.complaints.append(f"{name}: {mutant.outcome}: {mutant.file}:{mutant.line} {mutant.new}")
            if mutant.outcome != "survived":
                continue
            entry = next((entry for entry in declared if entry.means(mutant)), None)
            kind = entry.kind if entry else "unexplained"
            kinds[kind] += 1
            diff = f"- {plain(mutant.old)}\n+ {plain(mutant.new)}"
            if entry is None:
                verdict.complaints.append(f"{name}: survived: {mutant.file}:{mutant.line}\n{diff}")
            reason = entry.reason if entry else "not explained"
            place = {"target": name, "file": mutant.file, "line": mutant.line, "diff": diff}
            verdict.survivors.append(place | {"kind": kind, "reason": reason})
        killed = count["killed"] + count["timeout"]
        real = len(mutants) - kinds["equivalent"]
        score = killed / real if real else 0.0
        verdict.targets[name] = {
            "mutants": len(mutants),
            "killed": killed,
            "timeouts": count["timeout"],
            "equivalent": kinds["equivalent"],
            "survived": count["survived"] - kinds["equivalent"],
            "score": round(score, 4),
        }
        if score < LEAST:
            verdict.complaints.append(f"{name}: {score:.1%} killed, at least {LEAST:.0%} must be")
    for entry in declared:
        fates = {mutant.outcome for mutants in targets.values() for mutant in mutants if entry.means(mutant)}
        about = f"{entry.file}: {plain(entry.new)!r}"
        files = {mutant.file for mutants in targets.values() for mutant in mutants}
        if entry.kind not in {"equivalent", "accepted"}:
            verdict.complaints.append(f"equivalents.toml: {about} is of kind {entry.kind!r}")
        if entry.file in files and not fates:
            verdict.complaints.append(f"equivalents.toml: there is no such mutant any more: {about}")
        if fates & {"killed", "timeout"}:
            verdict.complaints.append(f"equivalents.toml: declared as surviving, and killed: {about}")
    return verdict


def main(sessions: Path, out: Path, commit: str, *names: str) -> int:
    """Write the record, print the table and the complaints, and return the exit code."""
    entries = tomllib.loads((HERE / "equivalents.toml").read_text(encoding="utf-8"))
    found = {name: read(sessions / f"{name}.sqlite") for name in names}
    verdict = judge(
        {name: mutants for name, (mutants, _) in found.items()}, [Declared(**e) for e in entries.get("mutant", [])]
    )
    for name, target in verdict.targets.items():
        facts = json.loads((sessions / f"{name}.json").read_text(encoding="utf-8"))
        mutants, left_out = found[name]
        target |= {
            "files": sorted({mutant.file for mutant in mutants}),
            "left_out": dict(sorted(left_out.items())),
            "tool": facts["tool"],
            "command": facts["command"],
            "minutes": round(facts["seconds"] / 60, 1),
        }
    record = {
        "made_by": "nox -s mutation",
        "commit": commit,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "targets": verdict.targets,
        "survivors": verdict.survivors,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    row = "{:<12}{:>9}{:>9}{:>12}{:>10}{:>9}{:>9}".format
    print(row("target", "mutants", "killed", "equivalent", "survived", "score", "minutes"))
    for name, target in verdict.targets.items():
        figures = [target[key] for key in ("mutants", "killed", "equivalent", "survived")]
        print(row(name, *figures, f"{target['score']:.1%}", target["minutes"]))
    print("\n".join(verdict.complaints), file=sys.stderr)
    return 1 if verdict.complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
