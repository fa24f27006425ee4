"""``timernn new-backend``: a distribution to begin with, which passes the whole suite as it is written."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from timernn_suite.cli.console import output, print_json
from timernn_suite.cli.options import Json
from timernn_suite.new_backend import Kind, Names, write_skeleton

NAME = "new-backend"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the backend will be called.")],
    kind: Annotated[
        Kind,
        typer.Option(
            help="array: override single kernels of a base class, over a library with NumPy's names. "
            "layers: layers of your own, as for a framework; imports nothing of timernn."
        ),
    ] = Kind.ARRAY,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="The new folder; by default timernn-NAME.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a new backend's folder: module, entry point, tests. As written, it passes the whole suite over NumPy.

    An existing folder is never written over.
    """
    names = Names.parse(name)
    folder = Path(names.distribution) if out is None else out
    files = write_skeleton(names, kind, folder)
    following = [
        f"pip install -e {shlex.quote(f'{folder}[test]')}",
        f"timernn check {name}",
        f"pytest {shlex.quote(str(folder))}",
    ]
    if as_json:
        print_json(
            {
                "name": name,
                "kind": kind.value,
                "folder": str(folder),
                "module": names.module,
                "class": names.class_name,
                "files": [file.as_posix() for file in files],
                "next": following,
            }
        )
        return
    told = [f"wrote {folder}", *(f"    {file.as_posix()}" for file in files), "next", *(f"    {s}" for s in following)]
    output.print("\n".join(told), markup=False, highlight=False, soft_wrap=True)
