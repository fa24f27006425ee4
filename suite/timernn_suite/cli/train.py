"""``timernn train``: train the language model by a recipe."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
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
from timernn_suite.files import remove_partial, replace_text
from timernn_suite.lm import checkpoint as checkpoints
from timernn_suite.lm import curves
from timernn_suite.lm.interrupt import Due, StopRequest, seconds_of
from timernn_suite.lm.lock import LockedError, only_process_in
from timernn_suite.lm.perplexity import evaluate
from timernn_suite.lm.recipes import Recipe, load_recipe, recipe_names
from timernn_suite.lm.trained import load_trained
from timernn_suite.lm.trainer import Trainer, TrainingError
from timernn_suite.provenance import command_line, environment, without_folder

NAME = "train"
INTERRUPTED = 130
MANIFEST = "manifest.json"
#: What a run writes; the folder may hold other things.
FILES = (*checkpoints.FILES, *curves.FILES, MANIFEST)


def duration(text: str) -> float:
    """Parse an option's value; return seconds."""
    try:
        return seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


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
        float | None,
        typer.Option(
            metavar="DURATION",
            parser=duration,
            help="Stop cleanly after so long and go on later with --resume: minutes, such as 90, or 90m, 1h30m, 45s. "
            "Counted from this command's start.",
            show_default=False,
        ),
    ] = None,
    checkpoint_every: Annotated[
        float,
        typer.Option(
            metavar="DURATION",
            parser=duration,
            help="Write a checkpoint within an epoch too, each time so long after the last: what a kill costs.",
        ),
    ] = "10m",  # type: ignore[assignment]  # typer parses the default as it does what is typed
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Train the language model: progress, learning curve, checkpoints, test perplexity.

    Ctrl-C or the time limit stops it cleanly, with a checkpoint and exit code 130.
    After that, a crash or a power cut, --resume goes on as if nothing had happened.
    """
    stop, due = StopRequest(time_limit), Due(checkpoint_every)
    engine = load_backend(backend)
    before = environment()  # of the source that is run, not of what it may have become meanwhile

    def after_epoch() -> None:
        due.restart()
        with written_into(folder):
            curves.write_tables(folder, trainer.progress.history)

    progress = TrainingProgress(after_epoch)
    hooks: dict[str, Any] = {"observer": progress, "should_stop": lambda: stop() or due()}
    with contextlib.ExitStack() as stack:
        stack.enter_context(stop)
        if resume:
            if out is None:
                raise TrainingError("--resume: name the run's folder with --out")
            for option, value in (("--recipe", recipe), ("--corpus", corpus), ("--seed", seed)):
                if value is not None:
                    raise TrainingError(f"--resume: a run keeps the {option[2:]} it was begun with; leave {option} out")
            folder = out
            if folder.is_dir():
                alone_in(folder, stack, progress)
            trainer = Trainer.resume(engine, lambda saved: corpus_of(saved, data), folder, epochs=epochs, **hooks)
        else:
            wanted = load_recipe(recipe or "markov").overridden(seed=seed, epochs=epochs, corpus=corpus)
            text = corpus_of(wanted, data)
            with written_into(out or Path("runs")):
                folder = out or fresh_folder(f"{wanted.name}-{engine.name.replace(':', '.')}")
                folder.mkdir(parents=True, exist_ok=True)
            alone_in(folder, stack, progress)
            trainer = Trainer(engine, wanted, text, folder=folder, **hooks)
        progress.expect(trainer.recipe.epochs, trainer.batches.batch_size * trainer.batches.time_size)
        errors.print(f"training {escape(trainer.recipe.name)} on {escape(engine.name)} into {escape(str(folder))}")
        started = time.monotonic()
        due.restart()
        with progress:
            # A trainer that pauses writes a checkpoint, so a pause is how one is had within an epoch.
            while not (finished := trainer.run()) and not stop():
                due.restart()
        record = finish(trainer, folder, time.monotonic() - started, before)
    if as_json:
        print_json(record)
    else:
        show(record, folder)
    if not finished:
        why = "interrupted" if stop.interrupted else "the time limit has passed"
        errors.print(f"{why}; go on with: timernn train --resume --out {escape(str(folder))}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED)


def alone_in(folder: Path, stack: contextlib.ExitStack, progress: TrainingProgress) -> None:
    """Keep other runs out of a folder until the stack ends, and clear away what a killed one had begun to write."""
    try:
        with written_into(folder):
            warning = stack.enter_context(only_process_in(folder))
            remove_partial(folder / name for name in FILES)
    except LockedError as error:
        raise TrainingError(str(error)) from None
    if warning is not None:
        progress.warning(warning)


@contextlib.contextmanager
def written_into(folder: Path) -> Iterator[None]:
    """Report what the system says against writing in a sentence.

    Raises
    ------
    TrainingError
        For every error of the system within.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{error.filename or folder}: can't be written: {error.strerror or error}; checkpoints that were saved "
            f"before are untouched. Make room or permit writing, then go on with --resume"
        ) from error


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
        model = load_trained(folder / checkpoints.BEST, backend).model
        for split in ("valid", "test"):
            record[split] = evaluate(model, getattr(corpus, split), corpus.vocabulary.eos_id).as_record()
    bound = known_bound(corpus)
    manifest = {
        "command": command_line(),
        "recipe": recipe.as_record() | {"corpus": without_folder(recipe.corpus)},
        "corpus": corpus.describe() | {"bound": bound},
        "results": record | {"wall_seconds_of_this_call": round(seconds, 2)},
        "backend": backend.describe(),
        "environment": made_in,
    }
    with written_into(folder):
        curves.write_tables(folder, history)
        if history:
            bounds = {} if bound is None else {"the source's own probabilities": bound}
            title = f"{recipe.name}, {backend.name}"
            curves.plot(folder / curves.PICTURE, {backend.name: history}, title=title, bounds=bounds)
        replace_text(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
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
