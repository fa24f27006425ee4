"""Stream capture, and the graphs that come of it."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from cuda_on_host.errors import CaptureError, InvalidHandle
from cuda_on_host.ledger import ledger

if TYPE_CHECKING:
    from cuda_on_host.streams import Operation, Stream

OF_THIS_THREAD, RELAXED = 1, 2


@dataclass(eq=False)
class Capture:
    """What is recorded instead of run, from the streams that take part."""

    origin: Stream
    mode: int
    nodes: list[Operation] = field(default_factory=list)
    # Streams that joined, with whether there is work in them that the origin doesn't wait for.
    joined: dict[Stream, bool] = field(default_factory=dict)
    marked: set[Stream] = field(default_factory=set)
    fault: str | None = None
    thread: int = field(default_factory=threading.get_ident)

    @property
    def relaxed(self) -> bool:
        """Whether the calling thread may meanwhile make calls that may not be safe, such as an allocation."""
        elsewhere = self.mode == OF_THIS_THREAD and threading.get_ident() != self.thread
        return self.mode == RELAXED or elsewhere

    def add(self, stream: Stream, operation: Operation) -> None:
        """Record work of a stream that takes part."""
        if self.fault is not None:
            raise CaptureError(f"the capture is no longer valid, because of {self.fault}")
        self.nodes.append(operation)
        if stream is not self.origin:
            self.joined[stream] = True
            self.marked.discard(stream)

    def mark(self, stream: Stream) -> None:
        """Note that an event stands behind all of a stream's work."""
        self.marked.add(stream)

    def join(self, stream: Stream) -> None:
        """Let a stream take part that waits for an event of the capture; or the origin wait for those that do."""
        if stream is self.origin:
            for other in self.marked & self.joined.keys():
                self.joined[other] = False
        elif stream.capture is None:
            stream.capture = self
            self.joined[stream] = False

    def invalidate(self, what: str) -> NoReturn:
        """Make the capture worthless, as CUDA does after a call that it doesn't allow."""
        self.fault = what
        raise CaptureError(f"{what} is not allowed while a stream is captured (cudaErrorStreamCaptureUnsupported)")

    def end(self) -> list[Operation]:
        """Return what was recorded, in an order in which it may run."""
        self.origin.capture = None
        for stream in self.joined:
            stream.capture = None
        if self.fault is not None:
            raise CaptureError(f"the capture is worthless, because of {self.fault} (cudaErrorStreamCaptureInvalidated)")
        if any(self.joined.values()):
            raise CaptureError("work of another stream isn't waited for (cudaErrorStreamCaptureUnjoined)")
        return self.nodes


@dataclass
class Replay:
    """One launch of a graph."""

    nodes: tuple[Operation, ...]

    def run(self) -> None:
        """Run all nodes, in the order in which they were recorded."""
        for node in self.nodes:
            node.run()

    def count_in_graph(self) -> None:
        """Count every node."""
        for node in self.nodes:
            node.count_in_graph()


class Graphs:
    """Graphs, and graphs that are ready to be launched."""

    def __init__(self) -> None:
        self._recorded: dict[int, tuple[Operation, ...]] = {}
        self._instances: dict[int, tuple[Operation, ...]] = {}
        self._handles = itertools.count(0x8000000, 16)

    def keep(self, nodes: list[Operation]) -> int:
        """Return the handle of a new graph."""
        handle = next(self._handles)
        self._recorded[handle] = tuple(nodes)
        return handle

    def instantiate(self, graph: int) -> int:
        """Return the handle of an instance of a graph."""
        nodes = self._find(self._recorded, graph)
        ledger.graphs["instantiate"] += 1
        handle = next(self._handles)
        self._instances[handle] = nodes
        return handle

    def replay(self, instance: int) -> Replay:
        """Return the operation that runs an instance once."""
        return Replay(self._find(self._instances, instance))

    def destroy(self, graph: int) -> None:
        """Forget a graph; its instances stay."""
        self._recorded.pop(graph, None)

    def destroy_instance(self, instance: int) -> None:
        """Forget an instance."""
        self._instances.pop(instance, None)

    @staticmethod
    def _find(table: dict[int, tuple[Operation, ...]], handle: int) -> tuple[Operation, ...]:
        try:
            return table[handle]
        except KeyError:
            raise InvalidHandle(f"there is no graph {handle} (cudaErrorInvalidValue)") from None


graphs = Graphs()
