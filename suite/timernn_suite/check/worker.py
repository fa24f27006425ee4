"""One process that runs the suite on a backend: watched from outside, ended when it passes a limit."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import psutil

from timernn_suite.check.events import DONE_VARIABLE, EVENTS_VARIABLE, STACKS_VARIABLE

MIB = 1024 * 1024
#: So much of the process's last output is kept, for a message.
_KEPT_CHUNKS, _CHUNK = 16, 4096
#: Frames of a stack that a message shows.
_FRAMES = 8
#: Seconds that a process has to write its stack after it was told to stop.
_LAST_WORDS = 2.0


@dataclass(frozen=True)
class Limits:
    """What a backend may use before it is stopped.

    Attributes
    ----------
    total_seconds : float
        Of the whole check of one backend.
    test_seconds : float
        Of one test, collection and exit included.
    memory_mib : int
        Resident memory of the process and those that it started.
    output_mib : int
        What one test may print.
    """

    total_seconds: float = 600.0
    test_seconds: float = 120.0
    memory_mib: int = 4096
    output_mib: int = 16


@dataclass(frozen=True)
class Selection:
    """Which tests are run.

    Attributes
    ----------
    keyword : str or None
        Only those whose names match, as pytest's ``-k``; None for all.
    cases : int
        How many generated cases there are for each element type.
    seed : int
        Of the generated cases.
    """

    keyword: str | None = None
    cases: int = 200
    seed: int = 0


class Worker:
    """A running suite.

    Parameters
    ----------
    backend : str
        A registered name, or ``module:Class``.
    folder : Path
        A folder of this worker's own, for its events, its stacks and its settings.
    done : list of str
        Ids of tests that need not run again.
    selection : Selection
        Which tests are run.
    """

    def __init__(self, backend: str, folder: Path, done: list[str], selection: Selection) -> None:
        folder.mkdir()
        self.events, self._stacks = folder / "events.jsonl", folder / "stacks.txt"
        (folder / "done.txt").write_text("\n".join(done), encoding="utf-8")
        self._process = subprocess.Popen(
            _command(backend, selection, folder),
            cwd=folder,
            env=_environment()
            | {
                EVENTS_VARIABLE: str(self.events),
                STACKS_VARIABLE: str(self._stacks),
                DONE_VARIABLE: str(folder / "done.txt"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # what it starts can be ended with it
        )
        self._chunks: deque[bytes] = deque(maxlen=_KEPT_CHUNKS)
        self.printed = 0
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        assert self._process.stdout is not None
        while chunk := self._process.stdout.read1(_CHUNK):  # type: ignore[attr-defined]
            self._chunks.append(chunk)
            self.printed += len(chunk)

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        """The last of what it printed."""
        self._reader.join(timeout=1.0)
        return b"".join(self._chunks).decode(errors="replace")

    @property
    def memory_mib(self) -> float:
        """Resident memory of the process and its children; 0 when it is gone."""
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            return sum(_resident(process) for process in (root, *root.children(recursive=True))) / MIB
        return 0.0

    @property
    def exitcode(self) -> int:
        """The exit code of a process that has ended; below 0 the number of the signal that killed it."""
        return self._process.wait()

    @property
    def died_of(self) -> str:
        """The signal's name, or the exit code."""
        code = self.exitcode
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def abort(self) -> None:
        """End the process; where the system can, it first writes down its stack."""
        if hasattr(signal, "SIGABRT") and os.name == "posix" and not self.ended:
            self._process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS)
        self.stop()

    def stop(self) -> None:
        """End the process and all that it started."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=1.0)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()

    @property
    def stack(self) -> str:
        """Where it was when it died, the innermost call first, without the folders of this machine; or nothing."""
        try:
            text = self._stacks.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        current = text.rpartition("Current thread")[2] or text
        frames = re.findall(r'File "([^"]*)", line (\d+) in (.*)', current.partition("\n\n")[0])
        return "\n".join(
            f"{'/'.join(Path(file).parts[-2:])}:{line} in {function}" for file, line, function in frames[:_FRAMES]
        )


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _command(backend: str, selection: Selection, folder: Path) -> list[str]:
    # No settings of the user's own project may have a say. Where its environment lies inside the project, pytest
    # would find them above the suite: so it gets empty ones, and looks for no conftest above the suite's own.
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(settings), f"--confcutdir={_suite_folder()}"]
    command += ["--pyargs", "timernn_suite.conformance", "--rnn-backend", backend]
    command += ["--rnn-cases", str(selection.cases), "--rnn-seed", str(selection.seed)]
    command += ["-p", "timernn_suite.conformance.plugin", "-p", "timernn_suite.check.events"]
    # Output is not captured, so that a flood of it is seen while it flows; the stack of a crash has a file of its own.
    command += ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-q", "-s", "--tb=short"]
    return command if selection.keyword is None else [*command, "-k", selection.keyword]


def _suite_folder() -> Path:
    found = importlib.util.find_spec("timernn_suite.conformance")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whatever else is installed must not change the verdict
    # The process has another working folder, so what is relative to this one is made absolute.
    paths = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *paths])
    return environment
