"""What needs a process of its own: how it ends, the command line, the cache, and a CuPy that is imported too early."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cuda_on_host import toolchain

SUITE = str(Path(toolchain.__file__).parents[1])


def run(*arguments, **variables):
    environment = os.environ | {"PYTHONPATH": SUITE} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_process_ends_well(tmp_path):
    script = tmp_path / "program.py"
    # Arrays, streams, graphs and pinned memory are alive as the interpreter ends, in a cycle too.
    script.write_text(
        "import sys, cupy as cp\n"
        "keep = [cp.ones(5) @ cp.ones(5), cp.cuda.Stream(non_blocking=True), cp.cuda.alloc_pinned_memory(10)]\n"
        "keep.append(keep)\n"
        "sys.keep = keep\n"
        "print(float(keep[0]), sys.argv[1:], cp.cuda.Device().compute_capability)\n"
    )
    done = run("-m", "cuda_on_host", "--ledger", "--lazy", str(script), "-x", "1", CUDA_ON_HOST_DEVICE="t4")
    assert (done.returncode, done.stdout) == (0, "5.0 ['-x', '1'] 75\n"), done.stderr
    assert "launches: " in done.stderr


def test_exit_code_of_a_module_that_fails(tmp_path):
    (tmp_path / "failing.py").write_text("import cupy\nraise SystemExit(7)\n")
    done = run("-m", "cuda_on_host", "-m", "failing", PYTHONPATH=os.pathsep.join([SUITE, str(tmp_path)]))
    assert (done.returncode, done.stderr) == (7, "")


def test_cupy_imported_too_early():
    done = run("-c", "import cupy, cuda_on_host; cuda_on_host.install()")
    assert done.returncode == 1
    assert "InstallationError: the host executor has to be installed before CuPy is imported" in done.stderr


def test_unknown_device():
    done = run("-c", "import cuda_on_host; cuda_on_host.install()", CUDA_ON_HOST_DEVICE="abacus")
    assert "'abacus', and should be one of t4, a100" in done.stderr


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    toolchain.compiler.cache_clear()
    try:
        with pytest.raises(ImportError, match=r"g\+\+"):
            toolchain.compiler()
    finally:
        monkeypatch.undo()
        toolchain.compiler.cache_clear()


def test_key_of_the_cache():
    def key(text="x", options=("-O2", "-DA=1"), versions=("1",)):
        return toolchain.library_key({"kernel.cpp": text}, options, versions)

    assert key() == key()
    assert (
        len({key(), key("y"), key(options=("-O2", "-DA=2")), key(options=("-O1", "-DA=1")), key(versions=("2",))}) == 5
    )


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CUDA_ON_HOST_CACHE", raising=False)
    assert toolchain.cache_folder() == tmp_path / "cache" / "cuda_on_host"
    monkeypatch.setenv("CUDA_ON_HOST_CACHE", str(tmp_path / "own"))
    library, compiled = toolchain.build_library("tiny", {"tiny.cpp": 'extern "C" int three() { return 3; }'}, ())
    assert compiled
    assert [path.name for path in (tmp_path / "own").iterdir()] == [library.name]
    assert toolchain.build_library("tiny", {"tiny.cpp": 'extern "C" int three() { return 3; }'}, ()) == (library, False)
