"""Runs `test_speed.py` once for each implementation, in processes of their own, and shows all of them by shape.

Run it as ``nox -s speed``. Every run is kept under runs/speed, a folder for each implementation; arguments go to
pytest: ``--benchmark-compare`` shows each implementation beside its own run of before, ``-k toy`` chooses shapes.
"""

import subprocess
import sys
from pathlib import Path

from timernn import backend_statuses
from timernn_suite.speed.peers import PEERS

HERE = Path(__file__).parent
STORAGE = HERE.parents[1] / "runs" / "speed"
COLUMNS = "--benchmark-columns=median,min,max,iqr,rounds"
#: Shortest and longest time on a shape, in seconds; and a warning, such as that nothing is stored yet, stays one.
USUAL = [
    "-q",
    "-W",
    "default",
    "--benchmark-max-time=0.5",
    "--benchmark-min-rounds=3",
    "--benchmark-disable-gc",
    COLUMNS,
]


def main():
    implementations = [status.name for status in backend_statuses() if status.available]
    implementations += [name for name, peer in PEERS.items() if peer.installed] + ["textbook"]
    failed, saved = [], []
    for implementation in implementations:
        name = implementation.replace(":", "-")
        storage = STORAGE / name
        before = set(storage.rglob("*.json"))
        print(f"\n{implementation}", flush=True)
        what = [
            "--implementation",
            implementation,
            f"--benchmark-storage={storage.as_uri()}",
            f"--benchmark-save={name}",
        ]
        command = [sys.executable, "-m", "pytest", str(HERE / "test_speed.py"), *USUAL, *what, *sys.argv[1:]]
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(implementation)
        saved += sorted(set(storage.rglob("*.json")) - before)
    if saved:
        shown = ["--group-by=group", "--sort=min", "--name=short", "--columns=median,min,max,iqr,rounds"]
        command = [sys.executable, "-m", "pytest_benchmark", "compare", *map(str, saved), *shown]
        subprocess.run(command, check=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
