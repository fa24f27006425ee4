"""The merged result of a sweep: one row a configuration, over its seeds; as a record, Markdown and a terminal table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from timernn_suite.provenance import without_folder
from timernn_suite.sweep.plan import Plan, PlannedCell
from timernn_suite.sweep.results import Results

FORMAT = 1
_EXPLANATION = (
    "Perplexity by protocol ptb-c1, lower is better: mean ± sample standard deviation over the seeds, and in brackets "
    "the least and the most. Every cell and what made it: cells/ADDRESS.json."
)


def merge(plan: Plan, results: Results) -> dict[str, Any]:
    """Return the merged record of all cells of a plan, as far as they are done.

    Returns
    -------
    record : dict
        JSON-ready: ``name``, ``timing``, ``threads``, how many ``cells`` there are, are ``done``, ``failed`` and
        ``missing``, and ``configurations``, each with its recipe, backend, seeds, failures and `spread` of figures.
    """
    groups: dict[str, list[PlannedCell]] = {}
    for cell in plan.cells:
        groups.setdefault(cell.configuration, []).append(cell)
    rows = [_row(cells, results) for cells in groups.values()]
    done, failed = (sum(len(row[key]) for row in rows) for key in ("done", "failed"))
    return {
        "format": FORMAT,
        "name": plan.name,
        "timing": plan.timing,
        "threads": plan.threads,
        "cells": len(plan.cells),
        "done": done,
        "failed": failed,
        "missing": len(plan.cells) - done - failed,
        "configurations": rows,
    }


def _row(cells: Sequence[PlannedCell], results: Results) -> dict[str, Any]:
    first = cells[0]
    done, failed, found = [], [], []
    for cell in cells:
        record, message = results.result(cell.address), results.failure(cell.address)
        if record is not None:
            found.append(record["result"])
            done.append({"seed": cell.recipe.seed, "address": cell.address})
        elif message is not None:
            failed.append({"seed": cell.recipe.seed, "address": cell.address, "message": message})
    recipe = {key: value for key, value in first.recipe.as_record().items() if key != "seed"}
    recipe["corpus"] = without_folder(recipe["corpus"])
    return {
        "label": first.label,
        "recipe": recipe,
        "overrides": dict(first.overrides),
        "backend": first.backend,
        "cells": len(cells),
        "done": done,
        "failed": failed,
        "train_perplexity": spread([result["train_perplexity"] for result in found]),
        "valid_perplexity": spread([result["valid"]["perplexity"] for result in found if result["valid"]]),
        "test_perplexity": spread([result["test"]["perplexity"] for result in found if result["test"]]),
        "tokens_per_second": spread([speed for result in found if (speed := result["tokens_per_second"])]),
    }


def spread(values: Sequence[float]) -> dict[str, float | None] | None:
    """Return mean, sample standard deviation (None of one value), least and most; None of no values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {
        "mean": statistics.fmean(values),
        "standard_deviation": deviation,
        "least": min(values),
        "most": max(values),
    }


def shown(figures: Mapping[str, float | None] | None, places: int = 2) -> str:
    """Return mean ± deviation and (least–most) in a cell's worth of text."""
    if figures is None:
        return "–"
    mean = f"{figures['mean']:,.{places}f}"
    if figures["standard_deviation"] is None:
        return mean
    deviation, least, most = (f"{figures[key]:,.{places}f}" for key in ("standard_deviation", "least", "most"))
    return f"{mean} ± {deviation} ({least}–{most})"


def _headings(record: Mapping[str, Any]) -> list[str]:
    headings = ["configuration", "backend", "done", "valid", "test"]
    return [*headings, "tokens/s"] if record["timing"] else headings


def _texts(record: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    texts = [row["label"], row["backend"], f"{len(row['done'])} of {row['cells']}"]
    texts += [shown(row["valid_perplexity"]), shown(row["test_perplexity"])]
    return [*texts, shown(row["tokens_per_second"], 0)] if record["timing"] else texts


def failures(record: Mapping[str, Any]) -> list[str]:
    """Return a line for every cell that failed."""
    return [
        f"{row['label']} on {row['backend']}, seed {cell['seed']}: {cell['message']}"
        for row in record["configurations"]
        for cell in row["failed"]
    ]


def summary(record: Mapping[str, Any]) -> str:
    """Return how far the sweep is, in a sentence."""
    counts = f"{record['done']} of {record['cells']} cells done"
    return counts + "".join(f", {record[key]} {key}" for key in ("failed", "missing") if record[key])


def table(record: Mapping[str, Any]) -> Table:
    """Return the table for the terminal."""
    made = Table(title=f"Sweep {escape(record['name'])}: perplexity over seeds", title_justify="left")
    for place, heading in enumerate(_headings(record)):
        made.add_column(heading, justify="right" if place > 1 else "left")
    for row in record["configurations"]:
        made.add_row(*map(escape, _texts(record, row)))
    return made


def markdown(record: Mapping[str, Any]) -> str:
    """Return the report for people."""
    headings = _headings(record)
    lines = [headings, *(_texts(record, row) for row in record["configurations"])]
    rows = ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines]
    rows.insert(1, "|" + "---|" * len(headings))
    parts = [f"# Sweep {record['name']}", f"{summary(record)}; {record['threads']} threads a cell."]
    parts += [_EXPLANATION, "\n".join(rows)]
    failed = failures(record)
    if failed:
        parts += ["## Failed", "\n".join(f"- {line}" for line in failed)]
    return "\n\n".join(parts) + "\n"
