"""With CuPy installed and no GPU: a reason that a person understands, from every command, and never a traceback."""

import os
import subprocess
import sys

import pytest

#: What is said where there is no driver, and where there is one but no device is to be seen.
REASONS = ("no NVIDIA driver was found", "no NVIDIA GPU was found")


def run(*command, **environment):
    hidden = {"CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1", "COLUMNS": "200", **environment}
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, env={**os.environ, **hidden}
    )


def says_why(text):
    return any(reason in text for reason in REASONS) and "Traceback" not in text


def test_cupy_is_installed_and_importing_the_backend_is_no_error():
    """Else the tests below would show another reason than the one that they are about."""
    code = "import cupy, timernn, timernn.cupy_backend; print(cupy.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_backends_says_why():
    done = run("timernn_suite", "backends")
    assert done.returncode == 0
    assert says_why(" ".join(done.stdout.split()))


@pytest.mark.parametrize("how", [("--backend", "cupy"), ()])
def test_training_asked_of_it_is_refused_with_the_reason(how, tmp_path):
    environment = {} if how else {"TIMERNN_BACKEND": "cupy"}
    done = run("timernn_suite", "train", "--recipe", "markov", *how, "--out", str(tmp_path / "run"), **environment)
    assert done.returncode == 2
    assert says_why(done.stderr)
    assert not (tmp_path / "run").exists()


def test_the_suite_skips_it_with_the_reason_unless_it_was_asked_for():
    chosen = [
        "--pyargs",
        "timernn_suite.conformance.test_contract",
        "-k",
        "can_run_here",
        "-rs",
        "-p",
        "no:cacheprovider",
    ]
    done = run("pytest", *chosen)
    assert done.returncode == 0
    assert "skipped" in done.stdout
    assert says_why(done.stdout)
    asked = run("pytest", *chosen, "--rnn-backend", "cupy")
    assert asked.returncode == 4  # pytest's usage error
    assert says_why(asked.stdout + asked.stderr)


def test_the_benchmark_leaves_it_out_with_the_reason():
    done = run("timernn_suite", "bench", "--quick", "--shape", "toy", "--rounds", "1", "--seconds", "0", "--json")
    assert done.returncode == 0
    assert says_why(done.stderr)
