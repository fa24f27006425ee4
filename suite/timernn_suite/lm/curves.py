"""The learning curve: as JSON lines and CSV for scripts, as a picture for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timernn_suite.files import replace_bytes, replace_text

Record = Mapping[str, Any]
FILES = LINES, TABLE, PICTURE = "curve.jsonl", "curve.csv", "curve.png"


def write_tables(folder: Path, history: Sequence[Record]) -> None:
    """Write ``curve.jsonl`` and ``curve.csv``, one line an epoch; each file is replaced whole, so none is ever half."""
    replace_text(folder / LINES, "".join(json.dumps(record) + "\n" for record in history))
    text = io.StringIO()
    if history:
        columns = dict.fromkeys(key for record in history for key in record)  # a newer version may have added some
        writer = csv.DictWriter(text, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    replace_text(folder / TABLE, text.getvalue())


def plot(path: Path, curves: Mapping[str, Sequence[Record]], *, title: str, bounds: Mapping[str, float]) -> None:
    """Draw perplexity against epochs as PNG or SVG.

    Parameters
    ----------
    path : Path
        Where to; the ending decides the format.
    curves : mapping
        Histories by name; with more than one, only the validation (or else training) perplexity of each is drawn.
    title : str
        Stands above.
    bounds : mapping
        Perplexities to compare with, such as a known optimum, as dashed lines by name.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter  # noqa: PLC0415

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, history in curves.items():
        for key, label in (("train_perplexity", "training"), ("valid_perplexity", "validation")):
            drawn = [(record["epoch"], record[key]) for record in history if record.get(key) is not None]
            if drawn and (len(curves) == 1 or key == "valid_perplexity"):
                shown = label if len(curves) == 1 else f"{name}, {label}"
                marker = "o" if len(drawn) <= 40 else ""
                axes.plot(*zip(*drawn, strict=True), marker=marker, markersize=4, label=shown)
                epoch, value = drawn[-1]
                axes.annotate(f"{value:.1f}", (epoch, value), xytext=(6, 0), textcoords="offset points", va="center")
    for number, (name, value) in enumerate(bounds.items()):
        axes.axhline(value, color="0.35", linestyle=("--", ":", "-.")[number % 3], linewidth=1.2)
        axes.annotate(
            f"{name}: {value:.1f}",
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color="0.35",
            fontsize=9,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.07)
    axes.set_xlabel("epoch")
    axes.set_ylabel("perplexity (log scale)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix.removeprefix("."), dpi=150)
    replace_bytes(path, picture.getvalue())
