"""Measures commits with asv, under a machine's name that says what it can do and not whose it is.

Run it as ``nox -s bench`` or ``nox -s bench-history -- N``. What is measured already is not measured again.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from timernn_suite.files import replace_text
from timernn_suite.provenance import environment, hardware_hash

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
#: A commit that touched none of these has the figures of the one before.
CODE = ("impls", "suite/timernn_suite", "benchmarks/over_time", "pyproject.toml")
LOAD = environment()["load"]
#: Prints the environment of the Python that runs it; the file may be newer than the package that is installed there.
DESCRIBE = "import json, runpy, sys; print(json.dumps(runpy.run_path(sys.argv[1])['environment']()))"


def main(commits: Annotated[int, typer.Argument(min=1, help="So many of the last commits that touched code.")] = 1):
    """Measure the last commits that touched code, the newest first."""
    machine = machine_name()
    write_machine(machine)
    hashes = git("log", "--first-parent", f"-{commits}", "--format=%H", "--", *CODE).split()
    missing = [commit for commit in hashes if not measured(machine, commit)]
    print(f"machine {machine}: {len(hashes) - len(missing)} of {len(hashes)} commits are measured already", flush=True)
    for number, commit in enumerate(missing, 1):
        title = git("log", "-1", "--format=%s", commit)
        print(f"measuring {commit[:8]}, {number} of {len(missing)}: {title}", flush=True)
        if result_of(machine, commit) is None or not environment_file(machine, commit).exists():
            run_asv(machine, commit)
            write_environment(machine, commit)
        if not changes_file(machine, commit).exists():
            compare_with_the_one_before(machine, commit)


def machine_name() -> str:
    """Return a name made of the processor, its cores and a hash of what else decides its speed."""
    made_in = environment()
    processor = re.sub(r"[^a-z0-9]+", "-", str(made_in["processor"]).lower()).strip("-")
    return f"{processor}-{made_in['cores']}-cores-{hardware_hash(made_in)}"


def write_machine(name: str) -> None:
    """Tell asv of the machine, in the file of the user where it looks, beside those that it knows."""
    path = Path.home() / ".asv-machine.json"
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"version": 1}
    made_in = environment()
    known[name] = {
        "machine": name,
        "os": platform.system(),
        "arch": platform.machine(),
        "cpu": made_in["processor"],
        "num_cpu": str(made_in["cores"]),
        "ram": f"{round(psutil.virtual_memory().total / 2**30)} GiB",
    }
    replace_text(path, json.dumps(known, indent=4) + "\n")


def result_of(machine: str, commit: str) -> Path | None:
    """Return asv's result of a commit with the libraries that are pinned now, if there is one."""
    pins = {name: of[0] for name, of in json.loads((ROOT / "asv.conf.json").read_text())["matrix"]["req"].items()}
    for path in (RESULTS / "asv" / machine).glob(f"{commit[:8]}-*.json"):
        if json.loads(path.read_text(encoding="utf-8"))["requirements"] == pins:
            return path
    return None


def measured(machine: str, commit: str) -> bool:
    """Return whether everything about a commit is there."""
    if result_of(machine, commit) is None or not environment_file(machine, commit).exists():
        return False
    return changes_file(machine, commit).exists() or other_implementations_before(commit) is None


def environment_file(machine: str, commit: str) -> Path:
    """Return where it is kept what a commit was measured with."""
    return RESULTS / "environments" / machine / f"{commit[:8]}.json"


def launching() -> list[str]:
    """Return how asv starts its processes: by fork where that is possible, for CUDA can't be used after one."""
    return ["--launch-method", "spawn"] if Path("/dev/nvidiactl").exists() else []


def run_asv(machine: str, commit: str) -> None:
    """Let asv measure a commit; nothing is kept of one that can't be built."""
    command = [sys.executable, "-m", "asv", "run", "--machine", machine, "--show-stderr", *launching(), f"{commit}^!"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    result = result_of(machine, commit)
    if result is not None and not any(json.loads(result.read_text(encoding="utf-8"))["results"].values()):
        result.unlink()
        result = None
    if result is None or done.returncode not in (0, 2):
        sys.exit(f"asv could not measure {commit[:8]}: its messages are above")
    if done.returncode == 2:
        print("a benchmark failed: its place in the results is empty", file=sys.stderr)


def write_environment(machine: str, commit: str) -> None:
    """Keep what the commit was measured with: versions, BLAS, threads, processor, and the load at the start."""
    result = result_of(machine, commit)
    assert result is not None
    measured_in = json.loads(result.read_text(encoding="utf-8"))
    described = subprocess.run(
        [python_of(measured_in), "-c", DESCRIBE, str(ROOT / "suite" / "timernn_suite" / "provenance.py")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **measured_in["env_vars"]},
    )
    # The only source that is not the commit's.
    edited = bool(git("status", "--porcelain", "--", "benchmarks/over_time"))
    record = json.loads(described.stdout) | {"git": {"commit": commit, "dirty": edited}, "load": LOAD}
    target = environment_file(machine, commit)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_text(target, json.dumps(record, indent=1) + "\n")


def python_of(record: dict[str, Any]) -> Path:
    """Return the Python of the environment that asv made for a result."""
    for about in (ROOT / ".asv" / "env").glob("*/asv-env-info.json"):
        made_for = json.loads(about.read_text(encoding="utf-8"))
        if made_for["requirements"] == record["requirements"] and made_for["python"] == record["python"]:
            return about.parent / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    sys.exit(f"asv's environment of {record['env_name']} is gone")


def other_implementations_before(commit: str) -> str | None:
    """Return the last commit before that touched code, if its implementations are others."""
    older = git("log", "--first-parent", "-2", "--format=%H", commit, "--", *CODE).split()[1:]
    return older[0] if older and git("diff", "--name-only", older[0], commit, "--", "impls") else None


def changes_file(machine: str, commit: str) -> Path:
    """Return where it is kept what a commit made slower or faster."""
    return RESULTS / "changes" / machine / f"{commit[:8]}.json"


def compare_with_the_one_before(machine: str, commit: str) -> None:
    """Keep the verdicts on what a commit made slower or faster than the one before that touched code."""
    older = other_implementations_before(commit)
    if older is None:
        print(f"{commit[:8]} has the implementations of the commit before: nothing to compare", flush=True)
        return
    script, target = str(Path(__file__).with_name("compare.py")), str(changes_file(machine, commit))
    done = subprocess.run(
        [sys.executable, script, older, commit, "--json", target, "--rounds", "4"], cwd=ROOT, check=False
    )
    if not Path(target).exists():  # a slower one is a result like any other
        sys.exit(f"the comparison with {older[:8]} ended with exit code {done.returncode}")


def git(*arguments: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    typer.run(main)
