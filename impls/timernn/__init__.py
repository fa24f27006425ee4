"""Recurrent layers behind one small interface, with interchangeable backends.

Start with `load_backend`, which takes a name from `backend_names` or ``"module:Class"``.
"""

from timernn.contract import (
    BackendUnavailable,
    DTypeError,
    LabelError,
    ShapeError,
    StateError,
    UnknownBackend,
)
from timernn.registry import BackendStatus, backend_names, backend_statuses, load_backend

__version__ = "0.1.0"

__all__ = [
    "BackendStatus",
    "BackendUnavailable",
    "DTypeError",
    "LabelError",
    "ShapeError",
    "StateError",
    "UnknownBackend",
    "__version__",
    "backend_names",
    "backend_statuses",
    "load_backend",
]
