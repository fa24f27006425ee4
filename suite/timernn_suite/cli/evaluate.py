"""``timernn evaluate``: the perplexity of a trained model by a named protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from timernn import load_backend
from timernn_suite.cli.console import output, print_json, progress_bar
from timernn_suite.cli.options import BackendName, CorpusName, Data, Json
from timernn_suite.corpus import CorpusError, load_corpus
from timernn_suite.lm.perplexity import BOOK_10X35, PTB_C1, evaluate, evaluate_book
from timernn_suite.lm.trained import load_trained

NAME = "evaluate"


def command(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A run's folder, or a checkpoint file.")],
    split: Annotated[str, typer.Option(help="'train', 'valid' or 'test'.")] = "test",
    protocol: Annotated[str, typer.Option(help=f"'{PTB_C1}' or '{BOOK_10X35}'.")] = PTB_C1,
    backend: BackendName = None,
    corpus: CorpusName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Score a text under a trained model.

    ptb-c1 scores every token in one stream from <eos>; book-10x35 is the textbook's ten streams that drop the tail.
    Figures of the two are not comparable.
    """
    if split not in ("train", "valid", "test"):
        raise typer.BadParameter(f"must be train, valid or test, got {split!r}", param_hint="--split")
    if protocol not in (PTB_C1, BOOK_10X35):
        raise typer.BadParameter(f"must be {PTB_C1} or {BOOK_10X35}, got {protocol!r}", param_hint="--protocol")
    trained = load_trained(checkpoint, load_backend(backend))
    text = load_corpus(corpus or trained.recipe.corpus, data=data, progress=True)
    if text.vocabulary.words[: len(trained.vocabulary)] != trained.vocabulary.words or (
        len(text.vocabulary) != len(trained.vocabulary) and split != "train"
    ):
        raise CorpusError(
            f"{text.name}: its vocabulary is not the one that this model was trained on ({trained.corpus['source']})"
        )
    ids = getattr(text, split)
    if trained.recipe.train_tokens and split == "train":
        ids = ids[: trained.recipe.train_tokens]
    with progress_bar() as bar:
        task = bar.add_task(f"scoring {split}", total=len(ids), note="")
        if protocol == PTB_C1:
            found = evaluate(
                trained.model, ids, text.vocabulary.eos_id, progress=lambda done, _: bar.update(task, completed=done)
            )
        else:
            found = evaluate_book(trained.model, ids)
    record = found.as_record() | {"split": split, "corpus": text.name, "sha256": text.sha256[split]}
    if as_json:
        print_json(record)
    else:
        output.print(
            f"{escape(text.name)} {split}: perplexity [bold]{found.perplexity:.3f}[/] "
            f"({found.tokens:,} tokens, protocol {found.protocol}, {found.dtype})",
            highlight=False,
        )
