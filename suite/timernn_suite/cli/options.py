"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "-b",
        metavar="NAME",
        envvar="TIMERNN_BACKEND",
        help="Backend: a registered name or module:Class.",
        show_default="numpy",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        envvar="TIMERNN_DATA",
        help="Folder that holds ptb/ptb.train.txt and its two companions.",
        show_default=False,
    ),
]
CorpusName = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        metavar="NAME",
        help="'markov' (made up, embedded), 'ptb' (Penn Treebank), a text file with a sentence a line, "
        "a folder with train.txt, valid.txt, test.txt, or the name or folder of what 'timernn data add' made.",
        show_default=False,
    ),
]
