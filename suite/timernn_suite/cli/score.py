"""``timernn score``: the probability of a sentence, word by word."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from timernn import load_backend
from timernn_suite.cli.console import output, print_json
from timernn_suite.cli.options import BackendName, Json
from timernn_suite.lm.checkpoint import BEST, LAST, CheckpointError
from timernn_suite.lm.scoring import SentenceScore, score
from timernn_suite.lm.trained import load_trained

NAME = "score"


def command(
    sentences: Annotated[
        list[str], typer.Argument(metavar="SENTENCE...", help="Each in quotes; words apart by spaces.")
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", "-c", help="A run's folder or a checkpoint file.", show_default="the newest run"),
    ] = None,
    backend: BackendName = None,
    as_json: Json = False,
) -> None:
    """Show P(w_t | w_<t) of each word, and the joint log-probability by the chain rule; more sentences are ranked."""
    trained = load_trained(checkpoint if checkpoint is not None else newest_run(), load_backend(backend))
    scores = [score(trained.model, trained.vocabulary, sentence.split()) for sentence in sentences]
    if as_json:
        print_json([scored.as_record() for scored in scores])
        return
    for scored in scores:
        show(scored)
    if len(scores) > 1:
        ranking = Table("rank", "log P", "sentence")
        ordered = sorted(scores, key=lambda scored: scored.log_probability, reverse=True)
        for rank, scored in enumerate(ordered, start=1):
            ranking.add_row(str(rank), f"{scored.log_probability:.3f}", escape(" ".join(scored.words[:-1])))
        output.print(ranking)


def newest_run(parent: Path = Path("runs")) -> Path:
    """Return the folder under ``parent`` whose checkpoint was written last."""
    found = [path for name in (LAST, BEST) for path in parent.glob(f"**/{name}")]
    if not found:
        raise CheckpointError(
            "no trained model under runs/: train one with 'timernn train', or name one by --checkpoint"
        )
    return max(found, key=lambda path: path.stat().st_mtime).parent


def show(scored: SentenceScore) -> None:
    """Print a sentence's words with their probabilities."""
    table = Table(title=escape(" ".join(scored.words[:-1])), title_justify="left")
    table.add_column("word")
    for heading in ("P(word | words before)", "log P", "joint log P so far"):
        table.add_column(heading, justify="right")
    joint = 0.0
    for word, value in zip(scored.words, scored.log_probabilities, strict=True):
        joint += value
        shown = escape(word) + (" [yellow](unknown)[/]" if word in scored.unknown else "")
        table.add_row(shown, f"{math.exp(value):.3g}", f"{value:.3f}", f"{joint:.3f}")
    output.print(table)
    output.print(
        f"joint log-probability [bold]{scored.log_probability:.3f}[/] nats, perplexity {scored.perplexity:.2f} "
        f"over {len(scored.words)} tokens",
        highlight=False,
    )
    if scored.unknown:
        output.print(f"[yellow]unknown:[/] {escape(', '.join(scored.unknown))} (scored as <unk>)", highlight=False)
