"""The host's compiler, and the cache of the libraries that it makes."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from cuda_on_host.errors import CompilationFailed, InstallationError

NATIVE = Path(__file__).parent / "native"
FLAGS = ("-std=c++17", "-fPIC", "-shared")


def cache_folder() -> Path:
    """Return the folder of compiled libraries: CUDA_ON_HOST_CACHE, or a folder in the user's cache."""
    own = os.environ.get("CUDA_ON_HOST_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cuda_on_host"


@cache
def compiler() -> tuple[str, str]:
    """Return the path of g++ and what it says of its version."""
    path = shutil.which("g++")
    if path is None:
        raise InstallationError("the host executor compiles kernels with g++, and there is none on the PATH")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return path, version.splitlines()[0]


@cache
def native_digest() -> str:
    """Return a digest of all native sources: a change of any of them makes every library stale."""
    digest = hashlib.sha256()
    for path in sorted(p for p in NATIVE.rglob("*") if p.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def library_key(sources: Mapping[str, str], options: Sequence[str], versions: Iterable[str] = ()) -> str:
    """Return the name under which a library is kept: it depends on all that the result depends on.

    Parameters
    ----------
    sources
        The text of each source, by its name.
    options
        All options of the compiler.
    versions
        Versions of whatever else is included.
    """
    parts = [compiler()[1], platform.machine(), native_digest(), *FLAGS, *options, *versions]
    parts += [part for name in sorted(sources) for part in (name, sources[name])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def build_library(
    stem: str, sources: Mapping[str, str], options: Sequence[str], versions: Iterable[str] = ()
) -> tuple[Path, bool]:
    """Compile sources to a shared library, or find it in the cache.

    Parameters
    ----------
    stem
        What the library's name starts with.
    sources
        The text of each source to write, by its name; sources of the package go among the options.
    options
        Options of the compiler beside the common ones.
    versions
        See `library_key`.

    Returns
    -------
    tuple[Path, bool]
        The library, and whether it had to be compiled.
    """
    folder = cache_folder()
    library = folder / f"{stem}-{library_key(sources, options, versions)}.so"
    if library.exists():
        return library, False
    folder.mkdir(parents=True, exist_ok=True)
    # Compiled elsewhere and then moved, which is atomic: another process finds all of it or nothing.
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
        names = []
        for name, text in sources.items():
            (Path(scratch) / name).write_text(text, encoding="utf-8")
            names.append(name)
        command = [compiler()[0], *FLAGS, *names, *options, "-o", "result.so"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompilationFailed(f"the host's compiler refuses {stem}:\n{done.stderr[:6000]}")
        (Path(scratch) / "result.so").replace(library)
    return library, True
