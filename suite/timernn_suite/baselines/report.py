"""What was measured as a document, and that as ``baselines.json`` and ``baselines.md`` in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from timernn_suite.baselines.measure import Settings
from timernn_suite.baselines.tokens import KINDS, Scored
from timernn_suite.corpus import Corpus
from timernn_suite.files import replace_text
from timernn_suite.lm.perplexity import PTB_C1
from timernn_suite.provenance import command_line

#: Test perplexities have a column for each kind, because figures of two kinds can't be compared.
HEADINGS = ("model", "valid", *(f"test, {kind}" for kind in KINDS), "seconds")
NOTES = """\
Every token of a text is scored in order, in one stream that begins with `<eos>`. A static model doesn't change while
it reads; one with a cache takes in what it has just scored; an interpolated one is a weighted sum of models. Weights
and the size of the cache were chosen on valid, so the figures on valid of what is not static are too good.
"""


def document(
    corpus: Corpus,
    settings: Settings,
    results: Sequence[Scored],
    made_in: dict[str, Any],
    *,
    bound: float | None,
    finished: bool,
) -> dict[str, Any]:
    """Return a JSON-ready record of all results and of where they came from.

    Parameters
    ----------
    corpus : Corpus
        The text.
    settings : Settings
        What was asked for.
    results : sequence of Scored
        What is there so far.
    made_in : dict
        The environment.
    bound : float or None
        Perplexity of the source's own probabilities on test, where they are known.
    finished : bool
        Whether everything that was asked for is there.
    """
    return {
        "command": command_line(),
        "protocol": PTB_C1,
        "finished": finished,
        "corpus": corpus.describe() | {"bound": bound},
        "settings": settings.as_record(),
        "results": [scored.as_record() for scored in results],
        "environment": made_in,
    }


def rows(record: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield what stands below `HEADINGS`, a row a model."""
    for result in record["results"]:
        test = f"{result['test']['perplexity']:.2f}"
        by_kind = (test if kind == result["kind"] else "" for kind in KINDS)
        yield result["name"], f"{result['valid']['perplexity']:.2f}", *by_kind, f"{result['seconds']:.1f}"


def closing_lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield what is to be said below the table."""
    tokens, bound = record["corpus"]["tokens"], record["corpus"]["bound"]
    yield (
        f"{record['corpus']['source']}: {tokens['train']:,} tokens to train on, {tokens['valid']:,} to validate, "
        f"{tokens['test']:,} to test, V = {record['corpus']['V']:,}; protocol {record['protocol']}."
    )
    if bound is not None:
        yield f"The source's own probabilities have a perplexity of {bound:.2f} on test."
    if not record["finished"]:
        yield "Not finished: some of what was asked for is missing."


def to_markdown(record: dict[str, Any]) -> str:
    """Return the document as a page."""
    ruler = ("---", *["---:"] * (len(HEADINGS) - 1))
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADINGS, ruler, *rows(record))]
    return "\n".join(["# Perplexity of the baselines", *lines, "", *closing_lines(record), "", NOTES])


def write(record: dict[str, Any], folder: Path) -> None:
    """Write ``baselines.json`` and ``baselines.md``, each whole or not at all."""
    replace_text(folder / "baselines.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    replace_text(folder / "baselines.md", to_markdown(record))
