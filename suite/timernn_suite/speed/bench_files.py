"""Writes a benchmark's files: all of them are made first and moved to their places then, so that none is ever half."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from timernn_suite.speed import sweep_chart, sweep_text
from timernn_suite.speed.bench import Bench
from timernn_suite.speed.bench_chart import draw
from timernn_suite.speed.bench_text import markdown


def write(bench: Bench, folder: Path) -> list[Path]:
    """Write ``bench.json``, ``bench.md``, ``bench.svg`` and ``bench.png`` into ``folder``, over older ones.

    With curves, ``curves.svg`` and ``curves.png`` too; without, such as an older benchmark left there go away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=folder) as name:
        made = Path(name)
        for kind in ("svg", "png"):
            draw(bench, made / f"bench.{kind}", kind)
            if bench.curves:
                sweep_chart.draw(bench.curves, made / f"curves.{kind}", kind)
        pictures = {"Time over the limit of the matrix products, by shape": "bench.svg"}
        more = sweep_text.markdown(bench.curves)
        if bench.curves:
            more.append("![Time a token and memory against the sizes](curves.svg)")
        record = json.dumps(bench.as_record(), indent=1, ensure_ascii=False, allow_nan=False)
        (made / "bench.json").write_text(record + "\n", encoding="utf-8")
        (made / "bench.md").write_text(markdown(bench, pictures, more), encoding="utf-8")
        for kind in ("svg", "png"):
            if not bench.curves:
                (folder / f"curves.{kind}").unlink(missing_ok=True)
        return [path.replace(folder / path.name) for path in sorted(made.iterdir())]
