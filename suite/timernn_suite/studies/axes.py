"""What the studies' pictures share: plain frames, logarithmic axes with plain numbers, names beside their lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def frame(axes: Any, title: str, x: str, y: str) -> None:
    """Give a panel its title and the names of its axes."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def log_lengths(axes: Any, lengths: Sequence[int]) -> None:
    """Make the horizontal axis logarithmic with a tick at each length, and room for names on the right."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: PLC0415 - only drawing needs it

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(lengths)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def plain_log(axes: Any) -> None:
    """Make the vertical axis logarithmic with ticks at 1, 2 and 5 in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - only drawing needs it

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def name_at(
    axes: Any, x: float, y: float, text: str, colour: str, *, above: float = 0, right: float = 5, ha: str = "left"
) -> None:
    """Write a line's name beside a point of it, so many points above and to the right."""
    axes.annotate(
        text, (x, y), xytext=(right, above), textcoords="offset points", va="center", ha=ha, color=colour, fontsize=8.5
    )


def level(axes: Any, y: float, text: str, *, below: bool = False) -> None:
    """Draw a dashed line across, with its name at the right, above or below it."""
    axes.axhline(y, color="0.35", linestyle="--", linewidth=1.1)
    axes.annotate(
        text,
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(-4, -5 if below else 3),
        textcoords="offset points",
        ha="right",
        va="top" if below else "bottom",
        color="0.35",
        fontsize=8.5,
    )
