"""``timernn train``: train the language model by a recipe."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from timernn import load_backend
from timernn_suite.cli.console import errors, output, print_json
from timernn_suite.cli.folders import fresh_folder
from timernn_suite.cli.options import BackendName, CorpusName, Data, Json
from timernn_suite.cli.progress import TrainingProgress
from timernn_suite.corpus import Corpus, load_corpus
from timernn_suite.corpus.markov import MarkovSource
from timernn_suite.files import replace_text
from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm import curves
from timernn_suite.lm.interrupt import StopRequest
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.recipes import Recipe, load_recipe, recipe_names
from timernn_suite.lm.rnnlm import Rnnlm
from timernn_suite.lm.trainer import Trainer, TrainingError
from timernn_suite.provenance import command_line, environment, without_folder

NAME = "train"
INTERRUPTED = 130


def command(
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            "-r",
            metavar="NAME",
            help=f"One of {', '.join(recipe_names())}, or a TOML file of your own.",
            show_default="markov",
        ),
    ] = None,
    backend: BackendName = None,
    corpus: CorpusName = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run.", show_default="a new one under runs/")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out where it stopped.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of the first weights, instead of the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="At most so many, instead of the recipe's.")] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop cleanly after so long; go on later with --resume.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Train the language model: progress, learning curve, checkpoints, test perplexity.

    Ctrl-C stops cleanly and keeps a checkpoint; --resume goes on as if nothing had happened.
    """
    engine = load_backend(backend)
    before = environment()  # of the source that is run, not of what it may have become meanwhile
    progress = TrainingProgress()
    with StopRequest(time_limit) as stop:
        if resume:
            if out is None:
                raise TrainingError("--resume: name the run's folder with --out")
            for option, value in (("--recipe", recipe), ("--corpus", corpus), ("--seed", seed)):
                if value is not None:
                    raise TrainingError(f"--resume: a run keeps the {option[2:]} it was begun with; leave {option} out")
            folder = out
            trainer = Trainer.resume(
                engine, lambda saved: corpus_of(saved, data), folder, observer=progress, should_stop=stop, epochs=epochs
            )
        else:
            wanted = load_recipe(recipe or "markov").overridden(seed=seed, epochs=epochs, corpus=corpus)
            text = corpus_of(wanted, data)
            folder = out if out is not None else fresh_folder(f"{wanted.name}-{engine.name.replace(':', '.')}")
            trainer = Trainer(engine, wanted, text, folder=folder, observer=progress, should_stop=stop)
        errors.print(f"training {escape(trainer.recipe.name)} on {escape(engine.name)} into {escape(str(folder))}")
        started = time.monotonic()
        with progress:
            finished = trainer.run()
        record = finish(trainer, folder, time.monotonic() - started, before)
    if as_json:
        print_json(record)
    else:
        show(record, folder)
    if not finished:
        errors.print(f"stopped early; go on with: timernn train --resume --out {escape(str(folder))}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED if stop.interrupted else 0)


def corpus_of(recipe: Recipe, data: Path | None) -> Corpus:
    """Load the corpus that a recipe names."""
    return load_corpus(recipe.corpus, data=data, progress=True)


def known_bound(corpus: Corpus) -> float | None:
    """Return the perplexity of the source's own probabilities on the test split, None where the source isn't known."""
    if corpus.entropy_rate is None:
        return None
    return math.exp(MarkovSource().sample_entropy(corpus.test))


def finish(trainer: Trainer, folder: Path, seconds: float, made_in: dict[str, Any]) -> dict[str, Any]:
    """Score the best model on valid and test, and write curve, picture and manifest."""
    history, corpus, recipe = trainer.progress.history, trainer.corpus, trainer.recipe
    backend = trainer.backend
    record: dict[str, Any] = {
        "recipe": recipe.name,
        "backend": backend.name,
        "epochs": trainer.progress.epochs_done,
        "finished": trainer.finished,
        "seconds": round(sum(epoch["seconds"] for epoch in history), 2),
        "train_perplexity": history[-1]["train_perplexity"] if history else None,
    }
    if (folder / checkpoints.BEST).exists() and recipe.train_tokens == 0:
        best, _ = checkpoints.load(folder / checkpoints.BEST)
        model = Rnnlm(backend, best.group("weights"))
        for split in ("valid", "test"):
            record[split] = evaluate(model, getattr(corpus, split), corpus.vocabulary.eos_id).as_record()
    bound = known_bound(corpus)
    curves.write_tables(folder, history)
    if history:
        bounds = {} if bound is None else {"the source's own probabilities": bound}
        curves.plot(
            folder / "curve.png", {backend.name: history}, title=f"{recipe.name}, {backend.name}", bounds=bounds
        )
    manifest = {
        "command": command_line(),
        "recipe": recipe.as_record() | {"corpus": without_folder(recipe.corpus)},
        "corpus": corpus.describe() | {"bound": bound},
        "results": record | {"wall_seconds_of_this_call": round(seconds, 2)},
        "backend": backend.describe(),
        "environment": made_in,
    }
    replace_text(folder / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return record


def show(record: dict[str, Any], folder: Path) -> None:
    """Print what came of the run."""
    for split in ("valid", "test"):
        if split in record:
            found = record[split]
            output.print(
                f"{split:5} perplexity [bold]{found['perplexity']:.2f}[/] "
                f"({found['tokens']:,} tokens, protocol {found['protocol']})",
                highlight=False,
            )
    if record["train_perplexity"] is not None and "test" not in record:
        output.print(f"training perplexity [bold]{record['train_perplexity']:.2f}[/]", highlight=False)
    output.print(
        f"{record['epochs']} epochs in {record['seconds']:.1f} s; curve, manifest and checkpoints in "
        f"{escape(str(folder))}",
        highlight=False,
        soft_wrap=True,
    )
