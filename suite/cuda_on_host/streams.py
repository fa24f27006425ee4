"""Streams, events and their order: what is submitted runs at once, or (lazily) when something waits for it."""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from cuda_on_host.errors import CaptureError, CudaOnHostError, InvalidHandle
from cuda_on_host.graphs import Capture
from cuda_on_host.ledger import ledger
from cuda_on_host.settings import settings

LEGACY, PER_THREAD = 1, 2


class Operation(Protocol):
    """Work for a stream, all of its arguments kept by value."""

    def run(self) -> None:
        """Do the work."""

    def count_in_graph(self) -> None:
        """Count the work as part of a replayed graph."""


@dataclass(frozen=True)
class Point:
    """A place in a stream's work: everything submitted to it up to a number."""

    stream: Stream
    number: int

    @property
    def reached(self) -> bool:
        """Whether all of that work is done."""
        return self.stream.done >= self.number


@dataclass(frozen=True)
class Queued:
    """An operation in its stream's queue, and what has to be done before it."""

    serial: int  # over all streams
    number: int  # in its stream
    operation: Operation
    after: tuple[Point, ...]


@dataclass(eq=False)
class Stream:
    """A queue of work. A blocking stream takes turns with the legacy default stream."""

    handle: int
    blocking: bool = True
    priority: int = 0
    queue: deque[Queued] = field(default_factory=deque)
    submitted: int = 0
    done: int = 0
    waits: list[Point] = field(default_factory=list)
    capture: Capture | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the default stream" if self.handle == LEGACY else f"stream {self.handle}"


@dataclass(eq=False)
class Event:
    """A mark in a stream."""

    handle: int
    point: Point | None = None
    capture: Capture | None = None
    time: float | None = None


@dataclass
class Mark:
    """Notes the time at which a stream comes to an event."""

    event: Event

    def run(self) -> None:
        """Note the time."""
        self.event.time = time.perf_counter()

    def count_in_graph(self) -> None:
        """Count nothing: a mark is no work."""


class Timeline:
    """All streams and events of the device."""

    def __init__(self) -> None:
        self.streams = {LEGACY: Stream(LEGACY), PER_THREAD: Stream(PER_THREAD)}
        self.events: dict[int, Event] = {}
        self._handles = itertools.count(0x10000, 16)
        self._serials = itertools.count()
        # What went wrong in a call from C, which couldn't raise it: the next call does.
        self.pending: CudaOnHostError | None = None

    def create_stream(self, *, blocking: bool, priority: int = 0) -> int:
        """Return the handle of a new stream."""
        handle = next(self._handles)
        self.streams[handle] = Stream(handle, blocking, priority)
        return handle

    def stream(self, handle: int) -> Stream:
        """Return the stream of a handle; 0 is the legacy default stream."""
        try:
            return self.streams[handle or LEGACY]
        except KeyError:
            raise InvalidHandle(f"there is no stream {handle} (cudaErrorInvalidResourceHandle)") from None

    def destroy_stream(self, handle: int) -> None:
        """Forget a stream; what is queued still runs, as in CUDA."""
        stream = self.stream(handle)
        self.run_until(stream, stream.submitted)
        del self.streams[handle]

    def create_event(self) -> int:
        """Return the handle of a new event."""
        handle = next(self._handles)
        self.events[handle] = Event(handle)
        return handle

    def event(self, handle: int) -> Event:
        """Return the event of a handle."""
        try:
            return self.events[handle]
        except KeyError:
            raise InvalidHandle(f"there is no event {handle} (cudaErrorInvalidResourceHandle)") from None

    def submit(self, handle: int, operation: Operation) -> bool:
        """Give work to a stream; return False if it became part of a graph instead."""
        self.raise_pending()
        stream = self.stream(handle)
        if stream.capture is not None:
            stream.capture.add(stream, operation)
            return False
        if stream.handle == LEGACY:
            self.refuse_while_capturing("work on the default stream", blocking_only=True)
        after = tuple(self._predecessors(stream))
        stream.waits.clear()
        stream.submitted += 1
        stream.queue.append(Queued(next(self._serials), stream.submitted, operation, after))
        if not settings.lazy:
            self.run_until(stream, stream.submitted)
        return True

    def raise_pending(self) -> None:
        """Raise what went wrong in an earlier call that couldn't raise it."""
        error, self.pending = self.pending, None
        if error is not None:
            raise error

    def _predecessors(self, stream: Stream) -> list[Point]:
        points = [point for point in stream.waits if not point.reached]
        if stream.handle == LEGACY:
            others = [s for s in self.streams.values() if s.blocking and s is not stream]
        else:
            others = [self.streams[LEGACY]] if stream.blocking else []
        return points + [Point(other, other.submitted) for other in others if other.done < other.submitted]

    def run_until(self, stream: Stream, number: int) -> None:
        """Run a stream's work up to a number, and before it whatever that has to wait for."""
        if stream.done >= number:
            return
        needed: dict[Stream, int] = {}
        targets = [Point(stream, number)]
        while targets:
            point = targets.pop()
            known = max(needed.get(point.stream, 0), point.stream.done)
            if point.number <= known:
                continue
            needed[point.stream] = point.number
            for queued in point.stream.queue:
                if known < queued.number <= point.number:
                    targets.extend(queued.after)
        work = [(q.serial, s, q) for s, limit in needed.items() for q in s.queue if q.number <= limit]
        for _, owner, queued in sorted(work, key=lambda item: item[0]):
            # Out of the queue before it runs: what fails is not run again.
            owner.queue.popleft()
            owner.done = queued.number
            queued.operation.run()

    def run_everything(self) -> None:
        """Run all work of all streams."""
        for stream in list(self.streams.values()):
            self.run_until(stream, stream.submitted)

    def synchronise(self, stream: Stream, kind: str) -> None:
        """Wait for a stream's work, and count the wait."""
        self.raise_pending()
        if stream.capture is not None:
            stream.capture.invalidate(f"{kind} synchronisation with {stream.name}")
        ledger.synchronisations[kind] += 1
        self.run_until(stream, stream.submitted)

    def synchronise_device(self) -> None:
        """Wait for everything, and count the wait."""
        self.raise_pending()
        self.refuse_while_capturing("device synchronisation")
        ledger.synchronisations["device"] += 1
        self.run_everything()

    def record(self, event: Event, stream: Stream) -> None:
        """Mark a stream's place with an event."""
        if stream.capture is not None:
            event.capture, event.point = stream.capture, None
            stream.capture.mark(stream)
            return
        self.submit(stream.handle, Mark(event))
        event.capture, event.point = None, Point(stream, stream.submitted)

    def wait_event(self, stream: Stream, event: Event) -> None:
        """Let what comes next in a stream wait for an event."""
        if event.capture is not None:
            if stream.capture not in (None, event.capture):
                raise CaptureError("an event of one capture is waited for in another (cudaErrorStreamCaptureMerge)")
            event.capture.join(stream)
        elif stream.capture is not None:
            stream.capture.invalidate("a wait for an event from outside of the capture")
        elif event.point is not None and not event.point.reached:
            stream.waits.append(event.point)

    def capturing(self) -> bool:
        """Return whether any stream is captured."""
        return any(stream.capture is not None for stream in self.streams.values())

    def refuse_while_capturing(self, what: str, *, blocking_only: bool = False, unsafe: bool = False) -> None:
        """Raise CaptureError if a capture is going on that doesn't allow something.

        Parameters
        ----------
        what
            What is attempted.
        blocking_only
            Whether only captures of streams matter that take turns with the default stream.
        unsafe
            Whether a relaxed capture allows it (an allocation, say).
        """
        for stream in self.streams.values():
            capture = stream.capture
            if capture is None or (blocking_only and not stream.blocking) or (unsafe and capture.relaxed):
                continue
            capture.invalidate(what)


timeline = Timeline()
