"""The study of gradients through time as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from timernn_suite.studies.axes import frame, level, name_at

#: The last norm that is drawn: what lies below is gone for every purpose.
SMALLEST_DRAWN = 1e-20


def tables(record: Mapping[str, Any]) -> list[Table]:
    """Return what came of the study as tables for the terminal."""
    T = record["settings"]["T"]
    flow = Table(title=f"‖dL/dh(t−j)‖ from one loss at the last step, {record['backend']}, {record['dtype']}")
    flow.add_column("Wh", no_wrap=True)
    for column in (f"small states, j={T}", "a step", "off g^j by", f"real states, j={T}", "a step", "mean tanh′"):
        flow.add_column(column, justify="right")
    for kind, name in (("orthogonal", "g·Q, g="), ("gaussian", "Gaussian, radius ")):
        for entry in record[kind]:
            linear, real = entry["linear"], entry["real"]
            off = linear.get("largest_deviation_from_power")
            flow.add_row(
                f"{name}{entry['size']:g}",
                f"{linear['last']:.2e}",
                _rate(linear),
                "" if off is None else f"{off:.0e}",
                f"{real['last']:.2e}",
                _rate(real),
                f"{entry['mean_derivative']:.3f}",
            )
    settings = record["settings"]
    clip = Table(
        title=f"Clipping to a global norm of {settings['max_norm']:g}: gradient of Wx, Wh, b, "
        f"g={settings['clipped_gain']:g}"
    )
    columns = ("steps T", "small states", "clipped", "cosine", "real states", "clipped", "cosine")
    for column in columns:
        clip.add_column(column, justify="right")
    for linear, real in zip(record["clipping"]["linear"], record["clipping"]["real"], strict=True):
        clip.add_row(str(linear["T"]), *_clipped(linear), *_clipped(real))
    return [flow, clip]


def _rate(of: Mapping[str, Any]) -> str:
    return "–" if of["rate"] is None else f"× {of['rate']:.4f}"


def _clipped(of: Mapping[str, Any]) -> tuple[str, str, str]:
    cosine = "–" if of["cosine"] is None else f"{of['cosine']:.6f}"
    return f"{of['before']:.3g}", f"{of['after']:.3g}", cosine


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Draw the norms against j in small and in real states, and what clipping does, as PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it

    figure = Figure(figsize=(11, 8), layout="constrained")
    (small, gauss), (real, clip) = figure.subplots(2, 2)
    panels = (
        (small, "orthogonal", "linear", "Small states (tanh′ = 1), Wh = g·Q: the norm is g^j (dots)", "g = "),
        (gauss, "gaussian", "linear", "Small states, Gaussian Wh: the spectral radius r decides (dots: r^j)", "r = "),
        (real, "orthogonal", "real", "Real states, Wh = g·Q: tanh′ < 1 makes all of them vanish", "g = "),
    )
    for axes, kind, regime, title, symbol in panels:
        frame(axes, title, "steps back, j", "‖dL/dh(t−j)‖ / ‖dL/dh(t)‖")
        axes.set_yscale("log")
        for index, entry in enumerate(record[kind]):
            _flow(axes, entry, regime, f"{symbol}{entry['size']:g}", f"C{index}")
        axes.set_xlim(0, 1.17 * record["settings"]["T"])
    _draw_clipping(clip, record)
    figure.suptitle(f"Gradients through time from one loss at the last step ({record['backend']})", fontsize=12)
    figure.savefig(path, format="png", dpi=150)


def _flow(axes: Any, entry: Mapping[str, Any], regime: str, name: str, colour: str) -> None:
    norms = entry[regime]["norms"]
    drawn = [(j, norm) for j, norm in enumerate(norms) if norm > SMALLEST_DRAWN]
    axes.plot(*zip(*drawn, strict=True), color=colour, linewidth=1.6)
    if regime == "linear":
        places = range(10, len(norms), 10)
        axes.plot(places, [entry["size"] ** j for j in places], ".", color="0.15", markersize=4, zorder=3)
    name_at(axes, *drawn[-1], name, colour)


def _draw_clipping(axes: Any, record: Mapping[str, Any]) -> None:
    settings = record["settings"]
    title = f"Clipping, Wh = {settings['clipped_gain']:g}·Q: the length is cut, the direction kept"
    frame(axes, title, "steps T of the block, loss at the last", "‖(dWx, dWh, db)‖")
    axes.set_yscale("log")
    for index, (regime, name) in enumerate((("linear", "small states"), ("real", "real states"))):
        points = record["clipping"][regime]
        lengths, colour = [point["T"] for point in points], f"C{index}"
        axes.plot(lengths, [point["before"] for point in points], color=colour, linewidth=1.6)
        axes.plot(lengths, [point["after"] for point in points], color=colour, linestyle="", marker="os"[index])
        name_at(axes, lengths[-1], points[-1]["before"], name, colour)
    level(axes, settings["max_norm"], f"after clipping: at most {settings['max_norm']:g} (markers)", below=True)
    axes.set_xlim(0, 1.3 * settings["T"])
    axes.set_ylim(bottom=settings["max_norm"] / 1e3)  # room for the name of the line
