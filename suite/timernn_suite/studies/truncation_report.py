"""The study of truncation as tables and as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from timernn_suite.speed.bench_text import number
from timernn_suite.studies.axes import frame, level, log_lengths, name_at, plain_log

#: A gradient error below this is rounding; a logarithm has no place for it.
ROUNDING = 1e-12

Record = Mapping[str, Any]


def tables(record: Record) -> list[Table]:
    """Return what came of the study as tables for the terminal."""
    T = record["settings"]["T"]
    error = Table(title=f"‖truncated − full gradient‖ / ‖full‖ (cosine), of Wx, Wh and b, full: T = {T}")
    error.add_column("k", justify="right")
    curves = error_curves(record)
    for name in curves:
        error.add_column(name, justify="right")
    for rows in zip(*curves.values(), strict=True):
        error.add_row(str(rows[0]["k"]), *(_error(row["all"]) for row in rows))
    return [error, _costs(record), _learnt(record)]


def _error(of: Mapping[str, float | None]) -> str:
    if of["relative_error"] is None or of["cosine"] is None:
        return "–"
    return f"{of['relative_error']:.3g} ({of['cosine']:.4f})"


def _costs(record: Record) -> Table:
    cost, sizes = record["cost"], record["cost"]["sizes"]
    shape = f"N={sizes['N']}, D={sizes['D']}, H={sizes['H']}, {sizes['dtype']}, {sizes['threads']} thread"
    table = Table(title=f"One forward and backward, {shape}")
    for column in ("k", "µs a token (least–most)", "MiB at most"):
        table.add_column(column, justify="right")
    for k, time, kib in zip(cost["k"], cost["microseconds_per_token"], cost["peak_kib"], strict=True):
        shown = "failed" if time is None else f"{number(time[0])} ({number(time[1])}–{number(time[2])})"
        table.add_row(str(k), shown, "–" if kib is None else f"{kib / 1024:.2f}")
    return table


def _learnt(record: Record) -> Table:
    corpus, copy = record["corpus"], record["delayed_copy"]
    table = Table(
        title=f"After training with blocks of k: the same tokens and updates, seed {record['settings']['seed']}"
    )
    blind = f"nats a copy, {copy['delay']} steps after its cue (blind: {copy['blind_copy_loss']:.3f})"
    for column in ("k", f"test perplexity, {corpus['name']}", blind):
        table.add_column(column, justify="right")
    for of_corpus, of_copy in zip(corpus["learnt"], copy["learnt"], strict=True):
        table.add_row(str(of_corpus["k"]), f"{of_corpus['test_perplexity']:.2f}", f"{of_copy['copy_loss']:.3f}")
    return table


def error_curves(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Return the gradient errors by text and weights, such as ``markov, trained``."""
    errors = record["gradient"]["errors"]
    return {f"{text}, {weights}": rows for text, of_text in errors.items() for weights, rows in of_text.items()}


def draw(record: Record, path: Path) -> None:
    """Draw gradient error and angle, cost, and what was learnt against k, as PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it

    figure = Figure(figsize=(14, 8), layout="constrained")
    (error, time, perplexity), (cosine, memory, copy) = figure.subplots(2, 3)
    _draw_errors(error, cosine, record)
    _draw_cost(time, memory, record)
    _draw_learnt(perplexity, copy, record)
    figure.suptitle(f"Truncated back-propagation through time against the block length k ({record['backend']})")
    figure.savefig(path, format="png", dpi=150)


def _draw_errors(error: Any, cosine: Any, record: Record) -> None:
    T = record["settings"]["T"]
    frame(error, f"Gradient error against full BPTT (k = {T}: none)", "block length k, steps", "‖g_k − g‖ / ‖g‖")
    frame(cosine, "The same: angle to the full gradient", "block length k, steps", "cosine of g_k and g")
    plain_log(error)
    for index, (name, rows) in enumerate(error_curves(record).items()):
        style: dict[str, Any] = {"color": f"C{index}", "marker": "osD^"[index % 4], "label": name}
        _line(error, rows, lambda row: row["all"]["relative_error"], least=ROUNDING, **style)
        _line(cosine, rows, lambda row: row["all"]["cosine"], **style)
    lengths = record["cost"]["k"]
    for axes in (error, cosine):
        log_lengths(axes, lengths)
    error.legend(frameon=False, fontsize=8.5)


def _draw_cost(time: Any, memory: Any, record: Record) -> None:
    cost = record["cost"]
    sizes = ", ".join(f"{key}={cost['sizes'][key]}" for key in ("N", "D", "H"))
    frame(time, f"Time of one forward and backward, {sizes}", "block length k, steps", "µs a token")
    frame(memory, "Memory of the same", "block length k, steps", "MiB at most")
    plain_log(memory)
    timed = [(k, spread) for k, spread in zip(cost["k"], cost["microseconds_per_token"], strict=True) if spread]
    middles = [spread[0] for _, spread in timed]
    reach = [[s[0] - s[1] for _, s in timed], [s[2] - s[0] for _, s in timed]]  # least and most over the rounds
    time.errorbar([k for k, _ in timed], middles, yerr=reach, marker="o", markersize=5, linewidth=1.4, capsize=2)
    time.set_ylim(bottom=0)
    rows = [{"k": k, "mib": kib and kib / 1024} for k, kib in zip(cost["k"], cost["peak_kib"], strict=True)]
    _line(memory, rows, lambda row: row["mib"], least=0.0, color="C0", marker="o")
    for axes in (time, memory):
        log_lengths(axes, cost["k"])


def _draw_learnt(perplexity: Any, copy: Any, record: Record) -> None:
    corpus, delayed = record["corpus"], record["delayed_copy"]
    frame(
        perplexity,
        f"After training on {corpus['name']}: same tokens, same updates",
        "block length k, steps",
        "test perplexity",
    )
    _line(perplexity, corpus["learnt"], lambda row: row["test_perplexity"], color="C0", marker="o")
    for row in corpus["learnt"]:
        name_at(perplexity, row["k"], row["test_perplexity"], f"{row['test_perplexity']:.1f}", "C0", above=9, right=-8)
    if corpus["entropy_rate"] is not None:
        best = math.exp(corpus["entropy_rate"])
        level(perplexity, best, f"the source's own entropy rate: {best:.1f}")
    perplexity.margins(y=0.2)
    frame(copy, f"A symbol that returns after {delayed['delay']} steps", "block length k, steps", "nats a copy")
    _line(copy, delayed["learnt"], lambda row: row["copy_loss"], color="C0", marker="o")
    level(copy, delayed["blind_copy_loss"], f"nothing known of the symbol: {delayed['blind_copy_loss']:.2f}")
    copy.axvline(delayed["delay"], color="0.35", linestyle=":", linewidth=1.1)
    both = f"k = {delayed['delay']}: the shortest block\nthat holds symbol and return"
    name_at(copy, delayed["delay"], 0.5 * delayed["blind_copy_loss"], both, "0.35", right=-5, ha="right")
    copy.set_ylim(0, 1.15 * max(delayed["blind_copy_loss"], *(row["copy_loss"] for row in delayed["learnt"])))
    for axes in (perplexity, copy):
        log_lengths(axes, [row["k"] for row in corpus["learnt"]])


def _line(
    axes: Any,
    rows: Sequence[Mapping[str, Any]],
    of: Callable[[Any], float | None],
    *,
    least: float | None = None,
    **style: Any,
) -> None:
    """Draw one quantity against k, without what isn't known and without what is not above ``least``."""
    points = [(row["k"], of(row)) for row in rows]
    drawn = [(k, value) for k, value in points if value is not None and (least is None or value > least)]
    axes.plot([k for k, _ in drawn], [value for _, value in drawn], markersize=5, linewidth=1.4, **style)
