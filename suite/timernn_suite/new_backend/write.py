"""Writes a new backend's folder from the templates: whole or not at all, and never over anything."""

from __future__ import annotations

import os
import tempfile
from enum import StrEnum
from importlib import resources
from pathlib import Path
from string import Template

from timernn_suite.new_backend.naming import Names


class Kind(StrEnum):
    """The kinds of skeleton: a class on `timernn.base.ArrayBackend`, or one that imports nothing of timernn."""

    ARRAY = "array"
    LAYERS = "layers"


#: What a backend of each kind needs to be imported.
_NEEDED = {Kind.ARRAY: ("numpy>=2.0", "timernn"), Kind.LAYERS: ("numpy>=2.0",)}


def write_skeleton(names: Names, kind: Kind, folder: Path) -> list[Path]:
    """Write a distribution that passes the whole suite as it is.

    Parameters
    ----------
    names : Names
        What it and its parts are called.
    kind : Kind
        What it builds on.
    folder : Path
        Where to; it must not be there yet. Folders above it are made.

    Returns
    -------
    files : list of Path
        What was written, relative to ``folder``.

    Raises
    ------
    FileExistsError
        If there is something at ``folder``, or a file where a folder above it would be.
    """
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder}: is there already; name another folder with --out")
    texts = _texts(names, kind)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise FileExistsError(f"{folder}: {folder.parent} can't be a folder, a file is in its way") from None
    # Beside it, so that it can be moved there in one step; inside, because a temporary folder is private to its user.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        whole = Path(beside) / folder.name
        for file, text in texts.items():
            (whole / file).parent.mkdir(parents=True, exist_ok=True)
            (whole / file).write_text(text, encoding="utf-8")
        whole.rename(folder)
    return list(texts)


def _texts(names: Names, kind: Kind) -> dict[Path, str]:
    """Return the text of each file, by its path in the folder."""
    templates = {
        ".gitignore": "gitignore",
        "README.md": "README.md",
        "pyproject.toml": "pyproject.toml",
        f"src/{names.module}.py": f"{kind}.py",
        "tests/test_conformance.py": "test_conformance.py",
    }
    values = {
        "name": names.name,
        "module": names.module,
        "class_name": names.class_name,
        "dependencies": ", ".join(f'"{needed}"' for needed in _NEEDED[kind]),
    }
    folder = resources.files(__package__) / "templates"
    return {
        Path(file): Template((folder / f"{template}.template").read_text(encoding="utf-8")).substitute(values)
        for file, template in templates.items()
    }
