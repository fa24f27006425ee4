"""Writes a study's files: both are made first and moved to their places then, so that none is ever half."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]


def write(record: Record, folder: Path, draw: Callable[[Record, Path], None]) -> list[Path]:
    """Write ``STUDY.json`` and ``STUDY.png`` into a folder, over older ones, and return their paths.

    Parameters
    ----------
    record : mapping
        What the study measured; ``study`` is its name.
    folder : Path
        Made where it isn't there.
    draw : callable
        Draws the record to a path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".study-", dir=folder) as name:
        made = Path(name)
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        (made / f"{record['study']}.json").write_text(text + "\n", encoding="utf-8")
        draw(record, made / f"{record['study']}.png")
        return [path.replace(folder / path.name) for path in sorted(made.iterdir())]
