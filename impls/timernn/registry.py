"""Backends by name, through the entry points of group ``timernn.backends``: the only list of backends there is."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from timernn.completion import complete
from timernn.contract import Backend, BackendBroken, BackendUnavailable, MinimalBackend, UnknownBackend

GROUP = "timernn.backends"
DEFAULT = "numpy"
ENVIRONMENT_VARIABLE = "TIMERNN_BACKEND"


@dataclass(frozen=True)
class BackendStatus:
    """One registered backend: ready to use, or the reason why not.

    Attributes
    ----------
    name : str
        Its entry-point name.
    origin : str
        The distribution that registered it, with its version.
    backend : Backend or None
        The backend itself when it can run here.
    reason : str or None
        Why it can't run here.
    broken : bool
        Whether that is a fault of its own code, such as a slip of the pen, and no state of the machine.
    """

    name: str
    origin: str
    backend: Backend | None
    reason: str | None
    broken: bool = False

    @property
    def available(self) -> bool:
        """Whether the backend can run on this machine."""
        return self.backend is not None


def backend_names() -> list[str]:
    """Return the names of all registered backends, sorted, whether or not they can run here."""
    return sorted(_registered())


def backend_statuses() -> list[BackendStatus]:
    """Try every registered backend once and return what came of it, sorted by name."""
    statuses = []
    for name, entry in sorted(_registered().items()):
        origin = _origin(entry)
        try:
            statuses.append(BackendStatus(name, origin, _load(name), None))
        except BackendUnavailable as unavailable:
            broken = isinstance(unavailable, BackendBroken)
            statuses.append(BackendStatus(name, origin, None, str(unavailable), broken))
    return statuses


def backend_origin(name: str) -> str | None:
    """Return the distribution that registered a backend, with its version; None for one that isn't registered."""
    entry = _registered().get(name)
    return None if entry is None else _origin(entry)


def load_backend(spec: str | None = None) -> Backend:
    """Return a backend, completed with defaults for whatever its author left out.

    Parameters
    ----------
    spec : str, optional
        A registered name, or ``"module:Class"`` for one that isn't, its module installed or in the current
        folder. By default the environment variable ``TIMERNN_BACKEND``, and without it ``"numpy"``.

    Raises
    ------
    UnknownBackend
        If no backend is registered under that name, or the class can't be found in the module.
    BackendUnavailable
        If it can't run on this machine; the message is the reason.
    BackendBroken
        If its own code fails while it is loaded; one of those too.
    """
    if spec is None:
        spec = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT
    try:
        return _load(spec)
    except BackendUnavailable as reason:
        # Not of the reason's own class: an outsider's may be built from something else than a message.
        kind = BackendBroken if isinstance(reason, BackendBroken) else BackendUnavailable
        raise kind(f"backend {spec!r} can't run here: {reason}") from reason


def _load(spec: str) -> Backend:
    if ":" in spec:
        where = "in this installation or the current folder"
        return _build(spec.partition(":")[2], spec, lambda: _import_class(spec), where)
    registered = _registered()
    if spec not in registered:
        raise UnknownBackend(
            f"no backend is called {spec!r}; registered are {', '.join(sorted(registered)) or 'none'} "
            f"(or give 'module:Class')"
        )
    entry = registered[spec]
    return _build(spec, entry.value, entry.load)


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown distribution"


def _registered() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise UnknownBackend(
                f"two distributions register a backend called {entry.name!r}: {other.value} and {entry.value}; "
                f"uninstall one of them"
            )
    return found


def _build(name: str, target: str, load: Callable[[], Any], where: str = "in this installation") -> Backend:
    try:
        instance = load()()
    except ImportError as missing:
        module = target.partition(":")[0]
        if isinstance(missing, ModuleNotFoundError) and missing.name == module:
            raise BackendUnavailable(f"its module {module} is not {where}") from missing
        raise BackendUnavailable(f"{missing}") from missing
    except (BackendUnavailable, UnknownBackend):
        raise
    except Exception as fault:
        raise BackendBroken(f"{type(fault).__name__}: {fault}{_place(fault)}") from fault
    if not isinstance(instance, MinimalBackend):
        raise UnknownBackend(f"{target} is not a backend: it needs the methods rnn and time_rnn")
    return complete(instance, name)


def _place(fault: Exception) -> str:
    """Return where an exception was raised, by file and line; a syntax error says it itself."""
    frames = traceback.extract_tb(fault.__traceback__)
    if isinstance(fault, SyntaxError) or not frames:
        return ""
    return f" (raised in {'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno})"


def _import_class(spec: str) -> Any:
    module_name, _, class_name = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # a command's search path begins at the command, not where its user stands
        sys.path.append(here)
    module = importlib.import_module(module_name)
    try:
        return getattr(module, class_name)
    except AttributeError:
        raise UnknownBackend(f"module {module_name} has no class {class_name!r}") from None
