"""What all layers share: parameters, gradients, reused buffers, and what `forward` leaves for `backward`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from timernn import checks
from timernn.contract import Array, StateError

if TYPE_CHECKING:
    from timernn.base import ArrayBackend


class Workspace:
    """Buffers that a layer's kernels reuse from call to call, so that a training step allocates little.

    A kernel never returns a workspace buffer to a layer's caller, except as a gradient in ``grads``,
    which the next ``backward`` may overwrite.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        self._backend = backend
        self._buffers: dict[str, Array] = {}
        self._kept: dict[str, Any] = {}

    def buffer(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return the buffer of that name, with whatever it last held; a new one if shape or dtype changed."""
        found = self._buffers.get(name)
        if found is None or found.shape != shape or found.dtype != dtype:
            found = self._backend.xp.empty(shape, dtype=dtype)
            self._buffers[name] = found
        return found

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """Return whatever else a backend wants to live as long as its layer; ``make`` makes it the first time."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]


class LayerBase:
    """What the layers share: parameters by identity, zero gradients, a workspace, and the cache of ``forward``."""

    def __init__(self, backend: ArrayBackend, params: list[Array]) -> None:
        self._backend = backend
        self._workspace = Workspace(backend)
        self._cache: Any = None
        self.params = params
        self.grads = [backend.xp.zeros(param.shape, dtype=backend.native(param).dtype) for param in params]
        self._dtype: str | None = backend.dtype_name(params[0]) if params else None

    def _floats(self, argument: str, value: Any, *axes: checks.Axis) -> Array:
        return checks.floats(self._backend, argument, value, *axes, dtype=self._dtype)

    def _native_params(self) -> list[Array]:
        return [self._backend.native(param) for param in self.params]

    def _forwarded(self) -> Any:
        if self._cache is None:
            raise StateError(f"{type(self).__name__}.backward: call forward first, there is nothing to go back through")
        return self._cache
