"""The page's charts, as Vega-Lite specifications: data and what to draw of it, without code."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from collect import Machine

Spec = dict[str, Any]
#: Each keeps its colour from chart to chart; these are told apart by the colour-blind too (Okabe and Ito).
COLOURS = {
    "numpy": "#D55E00",
    "numba": "#0072B2",
    "cupy": "#009E73",
    "torch": "#CC79A7",
    "jax": "#E69F00",
    "jax-adjoint": "#56B4E9",
    "textbook": "#888888",
}
OTHERS = ("#B59A00", "#8C564B", "#17BECF")


def beside_peers(records: list[dict[str, Any]]) -> Spec:
    """Draw how many times the limit everything takes, by shape: to the left is faster."""
    return _chart(
        records,
        mark={"type": "point", "filled": True, "size": 80},
        height=26 * len({record["shape"] for record in records}),
        encoding={
            "x": {
                "field": "limit",
                "type": "quantitative",
                "scale": {"type": "log", "domainMin": 1},
                "axis": {"title": "times the limit", "format": "~g", "values": [1, 1.5, 2, 3, 5, 10, 20, 50, 100]},
            },
            "y": {"field": "shape", "type": "nominal", "sort": None, "title": None},
            "color": _colour("implementation", records),
            "shape": {"field": "implementation", "sort": None, "legend": LEGEND},
            "tooltip": [
                {"field": "shape"},
                {"field": "implementation"},
                {"field": "limit", "format": ".2f", "title": "times the limit"},
                {"field": "peer", "format": ".2f", "title": "times as fast as the best peer"},
            ],
        },
    )


def history(machine: Machine) -> Spec:
    """Draw each backend's speed over the commits, with what became slower marked."""
    points, marks = [], []
    for commit in machine.commits:
        label = commit.hash[:8]
        for row in commit.rows:
            if row.right and row.speedup:
                points.append({"commit": label, "backend": row.backend, "speedup": row.speedup})
        for change in commit.slower:
            same = [row.speedup for row in commit.rows if row.backend == change["implementation"]]
            marks.append(
                {
                    "commit": label,
                    "speedup": same[0] if same else None,
                    "what": f"{change['implementation']}, {change['shape']}: {change['ratio']:.2f} times as long",
                }
            )
    lines = {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "color": _colour("backend", points),
            "tooltip": [{"field": field} for field in ("commit", "backend")],
        },
    }
    lines["encoding"]["tooltip"].append({"field": "speedup", "format": ".2f"})
    slower = {
        "data": {"values": marks},
        "mark": {"type": "point", "shape": "triangle-down", "size": 160, "filled": True, "color": "#d00000"},
        "encoding": {"tooltip": [{"field": "what", "title": "slower"}]},
    }
    return _chart(
        points,
        height=220,
        layer=[lines, slower] if marks else [lines],
        encoding={
            "x": {"field": "commit", "type": "ordinal", "sort": None, "axis": {"labelAngle": -40, "title": None}},
            "y": {
                "field": "speedup",
                "type": "quantitative",
                "axis": {"title": "times as fast as the textbook's loop"},
            },
        },
    )


def learning(records: Iterable[dict[str, Any]]) -> Spec:
    """Draw perplexity over epochs."""
    records = list(records)
    return _chart(
        records,
        mark={"type": "line", "point": True},
        height=220,
        encoding={
            "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1, "format": "d"}},
            "y": {"field": "perplexity", "type": "quantitative", "scale": {"nice": False, "type": "log"}},
            "color": _colour("run", records),
            "tooltip": [{"field": "run"}, {"field": "epoch"}, {"field": "perplexity", "format": ".2f"}],
        },
    )


LEGEND = {"orient": "top", "title": None, "columns": 3}


def _colour(field: str, records: list[dict[str, Any]]) -> Spec:
    names = list(dict.fromkeys(record[field] for record in records))
    others = itertools.cycle([*OTHERS, *COLOURS.values()])
    colours = [COLOURS.get(name) or next(others) for name in names]
    return {
        "field": field,
        "type": "nominal",
        "sort": None,
        "scale": {"domain": names, "range": colours},
        "legend": LEGEND,
    }


def _chart(records: list[dict[str, Any]], **parts: Any) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": records},
        "width": "container",
        "background": "transparent",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **parts,
    }
