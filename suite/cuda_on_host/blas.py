"""The stand-in for cuBLAS: built, loaded where CuPy and others find it, and joined to the streams."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path

from cuda_on_host.errors import CudaOnHostError, InstallationError
from cuda_on_host.ledger import ledger
from cuda_on_host.memory import memory
from cuda_on_host.settings import settings
from cuda_on_host.streams import timeline
from cuda_on_host.toolchain import NATIVE, build_library

SONAME, LIGHT_SONAME = "libcublas.so.13", "libcublasLt.so.13"
EXECUTION_FAILED = 13  # CUBLAS_STATUS_EXECUTION_FAILED
ENQUEUE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
)


@dataclass
class BlasCall:
    """A call of cuBLAS, described by value."""

    name: str
    operation: bytes

    def run(self) -> None:
        """Do the arithmetic."""
        library().cuda_on_host_blas_run(self.operation)
        if settings.strict:
            memory.check(self.name)

    def count_in_graph(self) -> None:
        """Count the call as part of a graph."""
        ledger.graph_blas[self.name] += 1


def wanted_symbols() -> list[str]:
    """Return the functions of cuBLAS that CuPy's module needs to be loaded."""
    specification = util.find_spec("cupy_backends.cuda.libs.cublas")
    program = shutil.which("nm")
    if specification is None or specification.origin is None or program is None:
        raise InstallationError("the host executor reads CuPy's module for cuBLAS with nm, and lacks one of the two")
    command = [program, "-D", "--undefined-only", specification.origin]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"\bcublas\w+", listing)))


@cache
def library() -> ctypes.CDLL:
    """Return the stand-in, built if need be."""
    defined = set(re.findall(r"\bcublas\w+(?=\()", (NATIVE / "blas.cpp").read_text(encoding="utf-8")))
    text = (NATIVE / "blas.cpp").read_text(encoding="utf-8")
    for stem in re.findall(r'"cublas" #LETTER "(\w+)"', text):
        defined |= {f"cublas{letter}{stem}" for letter in "SD"}
    refusals = "".join(
        f'extern "C" __attribute__((visibility("default"))) int {name}() {{ return 15; }}  // not supported\n'
        for name in wanted_symbols()
        if name not in defined
    )
    options = ("-O3", "-fvisibility=hidden", str(NATIVE / "blas.cpp"), f"-Wl,-soname,{SONAME}")
    path, _ = build_library("cublas", {"refusals.cpp": refusals}, options)
    light, _ = build_library("cublasLt", {"light.cpp": "int cublaslt_stand_in;"}, (f"-Wl,-soname,{LIGHT_SONAME}",))
    # Under their proper names, in a folder of their own: that is how others may look for them.
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    links = {}
    for name, target in ((SONAME, path), (LIGHT_SONAME, light)):
        links[name] = _link(folder / name, target)
    ctypes.CDLL(str(links[LIGHT_SONAME]), mode=ctypes.RTLD_GLOBAL)
    loaded = ctypes.CDLL(str(links[SONAME]), mode=ctypes.RTLD_GLOBAL)
    loaded.cuda_on_host_blas_run.restype = None
    loaded.cuda_on_host_blas_run.argtypes = [ctypes.c_char_p]
    loaded.cuda_on_host_blas_connect.restype = None
    return loaded


def _link(link: Path, target: Path) -> Path:
    if not link.exists():
        scratch = link.with_name(f"{link.name}.{os.getpid()}")
        scratch.symlink_to(target)
        scratch.replace(link)
    return link


class Connection:
    """What the stand-in calls for every operation."""

    def __init__(self) -> None:
        self.callback = ENQUEUE(self.enqueue)
        # The stand-in may call at any time: the callback must outlive everything.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.callback))

    def enqueue(self, stream: int | None, operation: int, size: int, name: bytes, wait: int) -> int:
        """Give an operation to its stream; return a status, as the caller is C."""
        try:
            call = BlasCall(name.decode(), ctypes.string_at(operation, size))
            if timeline.submit(stream or 0, call):
                ledger.blas[call.name] += 1
            if wait:
                timeline.synchronise(timeline.stream(stream or 0), "implicit")
        except CudaOnHostError as error:
            timeline.pending = error
            return EXECUTION_FAILED
        return 0


def connect() -> Connection:
    """Load the stand-in and join it to the streams."""
    connection = Connection()
    library().cuda_on_host_blas_connect(connection.callback)
    return connection
