"""Speed of every backend beside the plain textbook loop and torch.nn.RNN, over the whole table of shapes.

Run it as ``nox -s compare``, or by hand in an environment with torch:
``python benchmarks/compare_speed.py --out results/speed``.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from timernn import backend_statuses
from timernn_suite.lm.manifest import environment
from timernn_suite.speed import BLOCKS, STEPS, compare
from timernn_suite.speed.peers import PEERS
from timernn_suite.speed.report import chart, table

TEXTBOOK = "timernn_suite.speed.textbook:TextbookBackend"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for speed.json and speed.png")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each implementation on each shape")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn")
    parser.add_argument("--threads", type=int, default=None, help="threads of each implementation; one a core if unset")
    parser.add_argument("--shape", action="append", help="only this shape (may be repeated)")
    arguments = parser.parse_args()

    implementations = [status.name for status in backend_statuses() if status.available] + [TEXTBOOK]
    implementations += [name for name, peer in PEERS.items() if peer.installed]
    shapes = [shape for shape in (*BLOCKS, *STEPS) if not arguments.shape or shape.name in arguments.shape]
    console = Console(stderr=True)
    with console.status("starting") as status:
        comparisons, descriptions = compare(
            implementations,
            shapes,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
            threads=arguments.threads,
            progress=lambda doing: status.update(f"timing {doing}"),
        )
    Console(width=160).print(table(comparisons, TEXTBOOK))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        record = {
            "command": f"benchmarks/compare_speed.py --rounds {arguments.rounds} --seconds {arguments.seconds}",
            "baseline": TEXTBOOK,
            "environment": environment(),
            "implementations": descriptions,
            "shapes": {comparison.shape.name: comparison.as_record() for comparison in comparisons},
        }
        (arguments.out / "speed.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        chart(comparisons, TEXTBOOK, arguments.out / "speed.png")


if __name__ == "__main__":
    main()
